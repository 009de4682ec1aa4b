"""CloudFormation and its StackSets."""
