"""Who may do what: roles, resources of actions, and service control policies."""
