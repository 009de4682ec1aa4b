"""An AWS on the local machine: MiniStack, with what it lacks of what this package uses.

It runs the real artefact, deployed by the real SAM CLI, without an AWS account.  It is part of the project, never of what is
deployed.  Each module stands for one service, and emulates of it what this package calls and nothing more.
"""
