"""An AWS on the local machine: MiniStack, and the parts that it lacks or answers wrongly.

The real SAM CLI deploys to it, and it runs the real artefact, without an AWS account. Nothing here is ever deployed.
Each sub-package is one AWS service. coverage/README.md lists what each one emulates.
"""
