"""Other tools on the local AWS: `make test-clients` runs Prowler and Cloud Custodian there, beside the package."""
