"""StackSets with service-managed permissions: stacks in the accounts of the organization, present and future.

This package decides which stacks to make, where and when. MiniStack's CloudFormation makes them.

Source: API model, cloudformation, and
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/what-is-cfnstacksets.html (stacksets-concepts).
"""
