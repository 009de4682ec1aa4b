"""What the package costs: measured beside a function without any frame, and beside a rule as rdklib's sample shows it.

And whether it evaluates a whole organization without losing an account: organization.py.
"""
