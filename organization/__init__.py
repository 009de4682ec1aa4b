"""Commands for the operator of the package: `preflight` before a deployment, `report` ever after, `delete` at the end.

Each is a module to run: reading (boto3) stands apart from judging (deployment.py, statuses.py and checks.py, which do no input
or output).
"""
