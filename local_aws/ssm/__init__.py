"""Systems Manager: documents, Automation and OpsCenter."""
