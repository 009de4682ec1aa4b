"""What an auditor asks for: a folder that shows, for a period, the verdict on each account on each day, and what it rested on.

`lines`, `targets` and `days` are the pure core.  `sources` reads AWS, `folder` writes and verifies, `page` draws.
"""
