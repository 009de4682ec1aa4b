"""Templates, artefact and locks: what is deployed, and what it is made with."""
