"""IAM: root users, centralized root access, and roles."""
