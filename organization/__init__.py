"""The operator's command, `root-virtual-mfa`. Each command is a package, and what several share is beside them.

In a package `command` runs the command, `reading` asks AWS with boto3 or reads a file, `judging` says what that means, and
`formats` writes it, as a page with the template beside it.  A further module has the name of its topic.  `delete` is a module.
What judges does no input or output: a contract in pyproject.toml names its modules.
"""
