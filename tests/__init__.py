"""The tests: unit, functional, organization, infrastructure, local AWS, end to end; from the fast to the slow."""
