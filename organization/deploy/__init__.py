"""The command `deploy`: it fills in what AWS knows, asks for the rest, and runs the SAM CLI."""
