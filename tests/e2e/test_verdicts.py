"""The verdict table on the deployed artefact: AWS Config evaluates root users in each state, and the tests read its results."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.sam import EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME
from local_aws.client import LocalAwsProcess
from tests.e2e.application import READ, Application
from tests.e2e.conftest import NewAccount
from tests.e2e.packaged import deploy

ASSUME = (FUNCTION_ROLE_NAME, "sts:AssumeRole")
LIST = "iam:ListVirtualMFADevices"
REPORT = "config:PutEvaluations"
WITHOUT_MFA = (READ, REPORT)
WITH_MFA = (READ, LIST, REPORT)

NO_CREDENTIALS = "The root user has no credentials (no password, access key or signing certificate)"
HARDWARE = "The root user's MFA is on without a virtual MFA device, so it is inferred to be a hardware token"


@pytest.mark.parametrize(
    ("changes", "parameters", "compliance", "annotation", "calls"),
    [
        pytest.param(
            ["add-virtual-device phone"],
            {},
            "COMPLIANT",
            "The root user has 1 virtual MFA device (phone).",
            WITH_MFA,
            id="row 2: a virtual device",
        ),
        pytest.param(
            ["add-virtual-device phone", "add-virtual-device tablet", "add-hardware-device"],
            {"minimumVirtualMfaDevices": "2"},
            "COMPLIANT",
            "The root user has 2 virtual MFA devices (phone, tablet).",
            WITH_MFA,
            id="row 2: as many as are asked for, and a hardware key",
        ),
        pytest.param(
            ["add-virtual-device phone", "create-access-key"],
            {},
            "COMPLIANT",
            "The root user has 1 virtual MFA device (phone); root also has access keys",
            WITH_MFA,
            id="row 2: a virtual device, and access keys",
        ),
        pytest.param(
            ["add-virtual-device phone", "delete-password"],
            {"noRootCredentials": "NON_COMPLIANT"},
            "COMPLIANT",
            "The root user has 1 virtual MFA device (phone).",
            WITH_MFA,
            id="row 2 goes before row 3: a virtual device without credentials",
        ),
        pytest.param(
            ["delete-password"],
            {},
            "COMPLIANT",
            f"{NO_CREDENTIALS}; a password recovery",
            WITHOUT_MFA,
            id="row 3: no credentials",
        ),
        pytest.param(
            ["delete-password"],
            {"noRootCredentials": "NON_COMPLIANT"},
            "NON_COMPLIANT",
            f"{NO_CREDENTIALS}, and noRootCredentials is NON_COMPLIANT: ",
            WITHOUT_MFA,
            id="row 3: no credentials, not accepted",
        ),
        pytest.param(
            ["delete-password"],
            {"noRootCredentials": "NOT_APPLICABLE"},
            "NOT_APPLICABLE",
            f"{NO_CREDENTIALS}, and noRootCredentials is NOT_APPLICABLE; ",
            WITHOUT_MFA,
            id="row 3: no credentials, not applicable",
        ),
        pytest.param(
            ["add-hardware-device", "delete-password"],
            {},
            "COMPLIANT",
            NO_CREDENTIALS,
            WITH_MFA,
            id="row 3 goes before row 5: a hardware key without credentials",
        ),
        pytest.param(
            ["add-virtual-device phone"],
            {"minimumVirtualMfaDevices": "3"},
            "NON_COMPLIANT",
            "The root user has 1 virtual MFA device and minimumVirtualMfaDevices is 3: ",
            WITH_MFA,
            id="row 4: too few virtual devices",
        ),
        pytest.param(["add-hardware-device"], {}, "NON_COMPLIANT", HARDWARE, WITH_MFA, id="row 5: a hardware key only"),
        pytest.param(
            ["add-hardware-device"],
            {"nonVirtualMfa": "COMPLIANT"},
            "COMPLIANT",
            HARDWARE,
            WITH_MFA,
            id="row 5: a hardware key only, accepted",
        ),
        pytest.param([], {}, "NON_COMPLIANT", "The root user has no MFA: ", WITHOUT_MFA, id="row 6: no MFA"),
        pytest.param(
            ["delete-password", "create-access-key", "upload-signing-certificate"],
            {"noRootCredentials": "NOT_APPLICABLE"},
            "NON_COMPLIANT",
            "The root user has no MFA and no password, but access keys and signing certificates remain: ",
            WITHOUT_MFA,
            id="row 6: no MFA, and what remains",
        ),
    ],
)
def test_row(  # noqa: PLR0913, PLR0917 - the columns of the table
    application: Application,
    new_account: NewAccount,
    changes: list[str],
    parameters: dict[str, str],
    compliance: str,
    annotation: str,
    calls: tuple[str, ...],
) -> None:
    account_id = new_account()
    application.change_root_user(account_id, *changes)
    application.calls()
    application.watch(account_id, **parameters)
    result = application.result(account_id)
    assert result["ComplianceType"] == compliance
    assert result["Annotation"].startswith(annotation)
    made = [call for call in application.calls() if not call[1].startswith("logs:")]
    assert made == [ASSUME, *((EVALUATION_ROLE_NAME, action) for action in calls)]
    # AWS Config's summaries leave out what is not applicable.
    assert application.rule_compliance(account_id) == ("INSUFFICIENT_DATA" if compliance == "NOT_APPLICABLE" else compliance)


@pytest.mark.parametrize(("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")])
def test_row_1_partition_without_a_root_user_in_this_sense(application: Application, partition: str, region: str) -> None:
    arn = f"arn:{partition}:config:{region}:{application.account_id}:config-rule/config-rule-a1b2c3"
    application.calls()
    answer = application.invoke(application.event(application.account_id, configRuleArn=arn))
    assert not answer.failed
    [evaluation] = answer.payload
    assert evaluation["ComplianceType"] == "NOT_APPLICABLE"
    assert f"({partition})" in evaluation["Annotation"]
    made = [call for call in application.calls() if not call[1].startswith("logs:")]
    assert made == [(FUNCTION_ROLE_NAME, REPORT)]


def test_devices_of_others_do_not_count(application: Application, new_account: NewAccount) -> None:
    account_id = new_account()
    iam = application.client("iam", account_id)
    for user, device in [("groot", "phone"), ("alejandra", "root-account-mfa-device"), (None, "root-virtual")]:
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=device)["VirtualMFADevice"]["SerialNumber"]
        if user:
            iam.create_user(UserName=user)
            iam.enable_mfa_device(
                UserName=user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
            )
    application.change_root_user(account_id, "add-hardware-device")
    application.watch(account_id)
    result = application.result(account_id)
    assert result["ComplianceType"] == "NON_COMPLIANT"
    assert result["Annotation"].startswith(HARDWARE)


def test_own_account_follows_its_root_user(application: Application) -> None:
    account_id = application.account_id
    steps = [
        ("add-virtual-device phone", "COMPLIANT", WITH_MFA),
        ("add-hardware-device", "COMPLIANT", WITH_MFA),
        ("remove-virtual-device phone", "NON_COMPLIANT", WITH_MFA),
        ("remove-hardware-devices", "NON_COMPLIANT", WITHOUT_MFA),
        ("delete-password", "COMPLIANT", WITHOUT_MFA),
        ("recover-password", "NON_COMPLIANT", WITHOUT_MFA),
    ]
    for change, compliance, calls in steps:
        application.change_root_user(account_id, change)
        application.calls()
        assert application.evaluate(account_id)["ComplianceType"] == compliance, change
        made = [call for call in application.calls() if not call[1].startswith("logs:")]
        assert made == [(FUNCTION_ROLE_NAME, action) for action in calls], change


def test_result_is_the_same_by_rule_and_by_resource(application: Application, new_account: NewAccount) -> None:
    account_id = new_account()
    application.watch(account_id)
    result = application.result(account_id)
    config = application.client("config", account_id)
    resource = {"ResourceType": "AWS::::Account", "ResourceId": account_id}
    assert config.get_compliance_details_by_resource(**resource)["EvaluationResults"] == [result]
    count = {"CappedCount": 1, "CapExceeded": False}
    assert config.describe_compliance_by_resource(**resource)["ComplianceByResources"] == [
        {**resource, "Compliance": {"ComplianceType": "NON_COMPLIANT", "ComplianceContributorCount": count}}
    ]


def test_every_page_of_devices_is_read(application: Application, new_account: NewAccount) -> None:
    account_id = new_account()
    application.change_root_user(account_id, *(f"add-virtual-device phone-{number}" for number in range(5)))
    application.aws.set_longest_page(2)
    try:
        application.calls()
        application.watch(account_id, minimumVirtualMfaDevices="5")
        result = application.result(account_id)
        made = [action for _, action in application.calls() if not action.startswith("logs:")]
    finally:
        application.aws.set_longest_page(None)
    assert result["ComplianceType"] == "COMPLIANT"
    assert made == ["sts:AssumeRole", READ, LIST, LIST, LIST, REPORT]


def test_rule_is_evaluated_every_24_hours(tmp_path: Path) -> None:
    """On a local AWS of its own, because the rules of all accounts come due."""
    account_id = "012345678912"
    accounts_file = tmp_path / "accounts.yaml"
    accounts_file.write_text(f'accounts: {{"{account_id}": {{}}}}\n', encoding="utf-8")
    with LocalAwsProcess(accounts_file) as aws:
        deploy(aws, account_id)
        application = Application(aws, account_id)
        first = application.result(account_id)
        application.change_root_user(account_id, "add-virtual-device phone")
        aws.advance_clock(seconds=23 * 3600)
        aws.advance_clock(seconds=3600)
        second = application.changed(account_id, [first])
    assert second["ComplianceType"] == "COMPLIANT"
    # So the 23 hours before started nothing.
    assert (second["ConfigRuleInvokedTime"] - first["ConfigRuleInvokedTime"]).total_seconds() >= 24 * 3600


def test_accounts_in_opposite_states_are_never_mixed_up(application: Application, new_account: NewAccount) -> None:
    account_ids = [new_account() for _ in range(12)]
    with ThreadPoolExecutor(len(account_ids)) as pool:
        list(pool.map(application.watch, account_ids))
    for account_id in account_ids:
        assert application.result(account_id)["ComplianceType"] == "NON_COMPLIANT"

    # Every other account has a device of its own, and the annotation names it. Then the other half gets devices.
    for turn in range(4):
        before = {account_id: application.results(account_id) for account_id in account_ids}
        having = set(account_ids[turn % 2 :: 2])
        for account_id in account_ids:
            if account_id in having:
                application.change_root_user(account_id, f"add-virtual-device phone-of-{account_id}")
            elif turn:
                application.change_root_user(account_id, f"remove-virtual-device phone-of-{account_id}")
        application.start_evaluation(*account_ids)
        for account_id in account_ids:
            result = application.changed(account_id, before[account_id])
            if account_id in having:
                compliance, annotation = "COMPLIANT", f"The root user has 1 virtual MFA device (phone-of-{account_id})"
            else:
                compliance, annotation = "NON_COMPLIANT", "The root user has no MFA: "
            assert result["ComplianceType"] == compliance
            assert result["Annotation"].startswith(annotation)
