"""From the conformance pack to the StackSet and back, with the SAM CLI: nobody is lost, and what an account meets meanwhile."""

from collections.abc import Iterator, Mapping

import pytest

from demo.sam import RULE_NAME, STACK_NAME, deploy_account
from demo.sam import deploy_organization as sam_deploy_organization
from local_aws.client import LocalAwsProcess
from tests.e2e.organization import CENTRAL, MANAGEMENT, StagedOrganization, run, unit_id, write_accounts
from tests.e2e.packaged import deploy_organization

VIRTUAL, BARE, SANDBOX = "310000000001", "310000000002", "310000000003"
TARGETED = (CENTRAL, VIRTUAL, BARE)
EVERY = (*TARGETED, MANAGEMENT, SANDBOX)
VERDICTS = {VIRTUAL: "COMPLIANT", **dict.fromkeys((CENTRAL, BARE, MANAGEMENT, SANDBOX), "NON_COMPLIANT")}
ONE_DAY = 24 * 3600


class Switching:
    """An organization whose rule a conformance pack brought, and what its journal got since somebody last looked."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        self.aws = aws
        deploy_account(aws, MANAGEMENT, CENTRAL)
        deploy_organization(aws, CENTRAL, {"ManagementAccountHasEvaluationRole": "true"})
        self.organization = StagedOrganization(aws, CENTRAL)
        aws.settle()
        self._seen = 0

    def deploy(self, **parameters: str) -> None:
        sam_deploy_organization(self.aws, CENTRAL, parameters)
        self.organization = StagedOrganization(self.aws, CENTRAL)
        self.aws.settle()

    def deploy_management_account(self) -> None:
        """Deploy account.yaml there again, as an operator does, with the parameters of the StackSet."""
        ran = run(self.aws, MANAGEMENT, "deploy", "--management-account", "--yes")
        assert ran.code == 0, ran
        self.aws.settle()

    def evaluations(self) -> dict[str, str]:
        """Return by account the owners of the rules that evaluated it since the last time: "account", or a service."""
        lines = self.organization.lines("evaluation")
        new, self._seen = lines[self._seen :], len(lines)
        assert {line["account"]: line["verdict"] for line in new}.items() <= VERDICTS.items()
        return {
            account_id: ", ".join(line["ruleOwner"] for line in new if line["account"] == account_id) for account_id in EVERY
        }

    def rules(self) -> dict[str, int]:
        """Return how many rules of the package each account has. One of them has a result."""
        found = {account_id: self.organization.rules(account_id) for account_id in EVERY}
        for account_id, names in found.items():
            config = self.organization.client("config", account_id)
            for name in names:
                [result] = config.get_compliance_details_by_config_rule(ConfigRuleName=name)["EvaluationResults"]
                assert result["ComplianceType"] == VERDICTS[account_id]
        return {account_id: len(names) for account_id, names in found.items()}

    def order(self) -> Mapping[str, int]:
        """Return when the stack's resources were last done, as numbers that grow."""
        events = self.organization.client("cloudformation").describe_stack_events(StackName=STACK_NAME)["StackEvents"]
        done = [event["LogicalResourceId"] for event in reversed(events) if event["ResourceStatus"].endswith("_COMPLETE")]
        return {name: number for number, name in enumerate(done)}


@pytest.fixture(scope="module")
def switching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switching]:
    accounts = {
        account_id: {"root_user": {"virtual_mfa_devices": ["phone"]} if account_id == VIRTUAL else {}} for account_id in EVERY
    }
    directory = tmp_path_factory.mktemp("switching")
    accounts_file = write_accounts(directory, accounts, {"Workloads": TARGETED, "Sandbox": [SANDBOX]})
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        yield Switching(aws)


def test_there_and_back_nobody_is_lost(switching: Switching) -> None:
    service = "config-conforms.amazonaws.com"
    assert switching.rules() == dict.fromkeys(EVERY, 1)
    assert switching.evaluations() == dict.fromkeys(EVERY, service)

    # To the StackSet: the rules come first, and then the pack goes. The management account has its own command.
    units = {"OrganizationalUnitIds": unit_id(switching.aws, "Workloads")}
    switching.deploy(RuleDeployment="StackSet", **units)
    assert switching.order()["AccountResources"] < switching.order()["ConformancePack"]
    assert switching.rules() == {**dict.fromkeys(TARGETED, 1), MANAGEMENT: 0, SANDBOX: 0}
    switching.deploy_management_account()
    assert switching.rules() == {**dict.fromkeys((*TARGETED, MANAGEMENT), 1), SANDBOX: 0}
    assert switching.evaluations() == {**dict.fromkeys((*TARGETED, MANAGEMENT), "account"), SANDBOX: ""}
    assert switching.organization.roles(SANDBOX) == set()

    # A day later each was evaluated once more, and not twice.
    switching.aws.advance_clock(seconds=ONE_DAY)
    switching.aws.settle()
    assert switching.evaluations() == {**dict.fromkeys((*TARGETED, MANAGEMENT), "account"), SANDBOX: ""}

    # Back: the StackSet takes the rules away, and then the pack comes, to all accounts.
    switching.deploy(RuleDeployment="ConformancePack", OrganizationalUnitIds='""')
    switching.deploy_management_account()
    assert switching.order()["AccountResources"] < switching.order()["ConformancePack"]
    assert switching.rules() == dict.fromkeys(EVERY, 1)
    assert [name for account_id in EVERY for name in switching.organization.rules(account_id) if name == RULE_NAME] == []
    assert switching.evaluations() == dict.fromkeys(EVERY, service)
