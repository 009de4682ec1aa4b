"""The tests: unit, functional, infrastructure, end to end, from the fast to the slow."""
