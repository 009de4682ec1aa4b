"""The operator's command, `root-virtual-mfa`: preflight, deploy, report and delete.

Reading (boto3) is apart from judging: deployment.py, commands.py, statuses.py and checks.py do no input or output.
"""
