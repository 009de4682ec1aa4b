"""The settings of hypothesis for all tests."""

from hypothesis import settings

# No deadline: a busy machine may interrupt an example that is not slow.
settings.register_profile("project", deadline=None, max_examples=150)
settings.load_profile("project")
