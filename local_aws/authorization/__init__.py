"""Who may do what. Start with `pipeline`: it says in which order each request is judged."""
