"""AWS Organizations and the accounts in it."""
