"""Configuration recorders of AWS Config, which MiniStack keeps."""

from local_aws.core import ministack_seams


def start(account_id: str, region: str) -> None:
    """Start a recorder in an account and Region."""
    with ministack_seams.module("ministack.core.responses").request_scope(account_id, region):
        recorders = ministack_seams.module("ministack.services.config")._recorders
        role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
        recorders["default"] = {"recorder": {"name": "default", "roleARN": role}, "recording": True}
