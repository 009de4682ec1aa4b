"""The operator's command, `root-virtual-mfa`. A command with several modules of its own is a package here.

Reading (boto3) is apart from judging: what judges does no input or output, and a contract in pyproject.toml names its modules.
"""
