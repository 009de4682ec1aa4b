"""The command `preflight`: whether everything is there that a deployment for the organization needs."""
