"""ACCOUNT_ALIAS_EXISTS: the rule that an AWS account has an alias."""
