"""Exceptions from the rule: which accounts are excluded, which failures are accepted, and the file that says so."""
