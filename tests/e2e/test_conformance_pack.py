"""The file conformance_packs/root-virtual-mfa.yaml as a pack of one's own, beside a deployment for one account."""

from collections.abc import Iterator

import pytest
import yaml

from local_aws.client import PROJECT
from tests.e2e.application import Application

PACK = "pack-of-my-own"


class WithPack(Application):
    """The application, seen through the pack's rule instead of its own."""

    def rule_name(self, account_id: str) -> str:
        compliance = self.client("config", account_id).describe_conformance_pack_compliance(ConformancePackName=PACK)
        [rule] = compliance["ConformancePackRuleComplianceList"]
        return str(rule["ConfigRuleName"])


@pytest.fixture
def with_pack(application: Application) -> Iterator[WithPack]:
    """Put the pack into the account of the function, without the role: the file says so."""
    template = yaml.safe_load((PROJECT / "conformance_packs/root-virtual-mfa.yaml").read_text(encoding="utf-8"))
    del template["Parameters"]["ExecutionRoleName"]
    del template["Resources"]["RootVirtualMfaEnabled"]["Properties"]["InputParameters"]["ExecutionRoleName"]
    given = {"FunctionArn": application.function_arn, "MinimumVirtualMfaDevices": "2"}
    config = application.client("config")
    config.put_conformance_pack(
        ConformancePackName=PACK,
        TemplateBody=yaml.safe_dump(template),
        ConformancePackInputParameters=[{"ParameterName": name, "ParameterValue": value} for name, value in given.items()],
    )
    [status] = config.describe_conformance_pack_status(ConformancePackNames=[PACK])["ConformancePackStatusDetails"]
    assert status["ConformancePackState"] == "CREATE_COMPLETE"
    with_pack = WithPack(application.aws, application.account_id)
    name = with_pack.rule_name(application.account_id)
    yield with_pack
    config.delete_conformance_pack(ConformancePackName=PACK)
    assert name not in {rule["ConfigRuleName"] for rule in config.describe_config_rules()["ConfigRules"]}


def test_pack_evaluates_the_account_by_its_own_parameters(with_pack: WithPack) -> None:
    account_id = with_pack.account_id
    assert with_pack.result(account_id)["Annotation"].startswith("The root user has no MFA: ")
    with_pack.change_root_user(account_id, "add-virtual-device phone")
    try:
        result = with_pack.evaluate(account_id)
    finally:
        with_pack.change_root_user(account_id, "remove-virtual-device phone")
    assert result["ComplianceType"] == "NON_COMPLIANT"
    assert "minimumVirtualMfaDevices is 2" in result["Annotation"]
    details = with_pack.client("config").get_conformance_pack_compliance_details(ConformancePackName=PACK)
    [of_pack] = details["ConformancePackRuleEvaluationResults"]
    assert of_pack["Annotation"] == result["Annotation"]
