"""The command `preflight`: whether a deployment for the organization has everything that it needs."""
