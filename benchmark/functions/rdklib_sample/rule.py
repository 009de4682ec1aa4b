"""The same rule, written as rdklib's documentation shows: a ConfigRule, and an Evaluator that handles the event.

Everything else is rdklib's default: its clients, its search for old evaluations at every scheduled run, no log.
Source: https://github.com/awslabs/aws-config-rdklib (README)
"""

from typing import Any

from rdklib import ClientFactory, ComplianceType, ConfigRule, Evaluation, Evaluator

RESOURCE_TYPES = ["AWS::::Account"]


class RootVirtualMfa(ConfigRule):  # type: ignore[misc]  # rdklib has no types
    """Whether the root user of an account has a virtual MFA device."""

    def evaluate_periodic(
        self,
        event: dict[str, Any],
        client_factory: ClientFactory,
        valid_rule_parameters: dict[str, str],  # noqa: ARG002 - rdklib's signature
    ) -> list[Evaluation]:
        """Ask IAM; ask for the devices only if MFA is on."""
        iam = client_factory.build_client("iam")
        account_id = event["accountId"]
        compliance_type = ComplianceType.NON_COMPLIANT
        if iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"]:
            for page in iam.get_paginator("list_virtual_mfa_devices").paginate(AssignmentStatus="Assigned"):
                for device in page["VirtualMFADevices"]:
                    if device.get("User", {}).get("Arn") == f"arn:aws:iam::{account_id}:root":
                        compliance_type = ComplianceType.COMPLIANT
        return [Evaluation(compliance_type, account_id, "AWS::::Account", f"The verdict of the sample is {compliance_type}.")]


def lambda_handler(event: dict[str, Any], context: object) -> Any:  # noqa: ANN401 - rdklib has no types
    """Let rdklib handle the event."""
    return Evaluator(RootVirtualMfa(), RESOURCE_TYPES).handle(event, context)
