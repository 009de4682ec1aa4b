"""The Python of the runbooks. `make render` writes each file into the templates, as one script."""
