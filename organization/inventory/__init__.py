"""The command `inventory`: what the root user of each account has, and what contradicts the rule's verdict."""
