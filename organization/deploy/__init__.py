"""The command `deploy`: it fills in what AWS can tell, asks for the rest, and runs the SAM CLI."""
