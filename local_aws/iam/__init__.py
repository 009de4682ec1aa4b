"""IAM: root users, and centralized root access."""
