"""ROOT_VIRTUAL_MFA_ENABLED: the rule that the root user of an AWS account has a virtual MFA device."""
