"""EventBridge, and the events of CloudTrail."""
