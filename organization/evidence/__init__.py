"""What an auditor asks for: a folder that shows, for a period, each account's verdict on each day, and the facts behind it.

`lines`, `targets` and `days` are the pure core.  `sources` reads AWS, `folder` writes and verifies, `page` draws.
"""
