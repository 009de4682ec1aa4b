"""A small second rule, built on what rules share: the example of docs/adding-a-rule.md."""
