"""The Python of the Automation runbooks: one file a script, which `python -m remediation.render` puts into the templates."""
