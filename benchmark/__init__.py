"""Measure what the package costs, compared with a function without any frame and with a rule like rdklib's sample.

organization.py measures whether the package evaluates a whole organization without losing an account.
"""
