"""Lines of the journal as the function writes them, for the tests of the evidence."""

import json
from typing import Any

CENTRAL, MANAGEMENT = "111111111111", "222222222222"
PACK = "config-conforms.amazonaws.com"
RULE = "root-virtual-mfa-enabled-conformance-pack-abc123xyz"
PARAMETERS = {
    "minimumVirtualMfaDevices": "1",
    "nonVirtualMfa": "NON_COMPLIANT",
    "noRootCredentials": "COMPLIANT",
}
OF_RULE = {**PARAMETERS, "ExecutionRoleName": "root-virtual-mfa-evaluation"}


def text(account_id: str, verdict: str = "COMPLIANT", /, **changes: Any) -> str:  # noqa: ANN401 - whatever a line has
    """Write a line about an evaluation; without a verdict, about one that failed."""
    said: dict[str, Any] = {
        "level": "INFO" if verdict else "ERROR",
        "message": "evaluation" if verdict else "evaluation failed",
        "rule": "ROOT_VIRTUAL_MFA_ENABLED",
        "version": "0.1.0",
        "account": account_id,
        "configRuleArn": f"arn:aws:config:eu-central-1:{account_id}:config-rule/aws-service-rule/{PACK}/config-rule-x",
        "configRuleName": RULE,
        "ruleOwner": PACK,
        "test": False,
        "parameters": OF_RULE,
    }
    if verdict:
        said |= {
            "facts": {
                "mfa_enabled": verdict == "COMPLIANT",
                "password_present": True,
                "access_keys_present": None,
                "signing_certificates_present": False,
            },
            "rootVirtualMfaDevices": int(verdict == "COMPLIANT"),
            "verdict": verdict,
            "annotation": f"Found {verdict}.",
        }
    else:
        said |= {"errorType": "ReadError", "errorMessage": "iam:GetAccountSummary failed"}
    return json.dumps(said | changes)
