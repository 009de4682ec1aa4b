"""What `report` and `verify` say of a rule that a StackSet brings, while accounts move, break, and their administrators lie."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from demo.sam import RULE_NAME
from local_aws.client import PROJECT, REGION, LocalAwsProcess
from organization.verify.judging import CHECKS
from tests.e2e.application import start_recorder
from tests.e2e.attacker import SAID, administrator, make_rule
from tests.e2e.organization import CENTRAL, MANAGEMENT, StagedOrganization, run, run_aws, unit_id, write_accounts
from tests.e2e.packaged import deploy_organization

BARE, VIRTUAL, EXCLUDED = "310000000001", "310000000002", "310000000003"
LIES, LIES_UNREAD, DELETES, WEAKENS = "320000000001", "320000000002", "320000000003", "320000000004"
"""The administrators of the first two, which have no MFA, put another rule of the name in the place of the own one. IAM refuses
every read of the second. That of the third deletes the rule. That of the last lets it pass a hardware token, which is there."""
MOVES_IN, MOVES_OUT, SILENT = "330000000001", "330000000002", "330000000003"
"""The last one moves in too, and records nothing."""
OUTSIDE = "340000000001"
JOINS, JOINS_LATER = "350000000001", "350000000002"
"""The first one joins while AWS Config does not evaluate new rules, the second while it does not name the organization."""

STATUSES = {
    MANAGEMENT: "COMPLIANT",
    CENTRAL: "COMPLIANT",
    VIRTUAL: "COMPLIANT",
    BARE: "NON_COMPLIANT",
    LIES: "NON_COMPLIANT",
    WEAKENS: "NON_COMPLIANT",
    LIES_UNREAD: "UNKNOWN",
    DELETES: "UNKNOWN",
    MOVES_IN: "COMPLIANT",
    SILENT: "UNKNOWN",
    MOVES_OUT: "NOT_IN_SCOPE",
    OUTSIDE: "NOT_IN_SCOPE",
    EXCLUDED: "EXCLUDED",
}
"""While everything goes on at the same time."""
AUDITOR = "auditor"
Found = Mapping[str, Mapping[str, Any]]


class Scene(StagedOrganization):
    """The deployment, whose accounts have a role that the central account may assume."""

    def let_audit(self, account_id: str) -> None:
        """Make an administrator's role that the central account may assume."""
        iam = self.client("iam", account_id)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{CENTRAL}:root"}}
        iam.create_role(RoleName=AUDITOR, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        iam.attach_role_policy(RoleName=AUDITOR, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")

    def move(self, account_id: str, unit_path: str) -> None:
        """Move an account to another unit, as the management account does."""
        organizations = self.client("organizations", MANAGEMENT)
        [parent] = organizations.list_parents(ChildId=account_id)["Parents"]
        organizations.move_account(
            AccountId=account_id, SourceParentId=parent["Id"], DestinationParentId=unit_id(self.aws, unit_path)
        )

    def verify(self) -> dict[str, dict[str, Any]]:
        """Return what `verify` finds, by the name of the check."""
        ran = run(self.aws, CENTRAL, "verify", "--format", "json", "--role-name", AUDITOR)
        return {each["name"]: each for each in json.loads(ran.printed)["checks"]}

    def do(self, said: Mapping[str, Any]) -> None:
        """Run those commands of an advice or a check that delete or create stacks of the StackSet."""
        for command in said["commands"]:
            if command.split()[2] in {"create-stack-instances", "delete-stack-instances"}:
                run_aws(self.aws, CENTRAL, command)
                self.aws.settle()

    def stack_instances(self, operation: str, account_id: str, unit_path: str) -> None:
        """Let the StackSet create or delete its stack in an account of a unit."""
        targets = {
            "OrganizationalUnitIds": [unit_id(self.aws, unit_path)],
            "Accounts": [account_id],
            "AccountFilterType": "INTERSECTION",
        }
        more = {"RetainStacks": False} if operation == "delete" else {}
        getattr(self.client("cloudformation"), f"{operation}_stack_instances")(
            StackSetName=self.outputs["StackSetName"],
            CallAs="DELEGATED_ADMIN",
            DeploymentTargets=targets,
            Regions=[REGION],
            **more,
        )
        self.aws.settle()


@dataclass(frozen=True)
class Story:
    """What was said in turn: by account id what the report says, by its name what each check of `verify` finds."""

    at_first: Found
    reported: Found
    texts: dict[str, str]
    verified: Found
    a_day_later: Found
    fixed: Found
    verified_again: Found
    without_journal: Found
    verified_without_journal: Found
    strayed: Found
    left: Found
    followed: Found
    with_pack: Found
    joined: Found
    verified_at_last: Found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Deploy for the unit Workloads and what is below it."""
    directory = tmp_path_factory.mktemp("staged-report")
    having = (MANAGEMENT, CENTRAL, VIRTUAL, DELETES, MOVES_IN, MOVES_OUT, SILENT)
    accounts: dict[str, Any] = {each: {"root_user": {"virtual_mfa_devices": ["phone"]}} for each in having}
    accounts |= {each: {} for each in (BARE, LIES, LIES_UNREAD, EXCLUDED, OUTSIDE)}
    accounts[WEAKENS] = {"root_user": {"hardware_mfa_devices": 1}}
    accounts[SILENT]["recorder"] = False
    units = {
        "Workloads": [CENTRAL, MOVES_OUT],
        "Workloads/Production": [BARE, VIRTUAL, EXCLUDED, LIES, LIES_UNREAD, DELETES, WEAKENS],
        "Sandbox": [MOVES_IN, SILENT, OUTSIDE],
    }
    with LocalAwsProcess(write_accounts(directory, accounts, units), directory / "local-aws.log") as aws:
        aws.add_fault(LIES_UNREAD, "iam:GetAccountSummary", "AccessDenied")
        parameters = {
            "RuleDeployment": "StackSet",
            "OrganizationalUnitIds": unit_id(aws, "Workloads"),
            "ManagementAccountHasEvaluationRole": "true",
            "ExcludedAccounts": EXCLUDED,
        }
        deploy_organization(aws, CENTRAL, parameters)
        scene = Scene(aws, CENTRAL)
        scene.deploy_management_account()
        for account_id in (MANAGEMENT, CENTRAL, BARE, VIRTUAL, LIES, DELETES, WEAKENS, MOVES_OUT):
            scene.result(account_id)
        for account_id in accounts.keys() - {CENTRAL}:
            scene.let_audit(account_id)
        yield scene


@pytest.fixture(scope="module")
def story(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Story:
    aws = scene.aws
    aws.settle()
    at_first = scene.verify()
    go_wrong(scene)
    directory = tmp_path_factory.mktemp("reports")
    files = {suffix: directory / f"report.{suffix}" for suffix in ("txt", "csv", "html", "json")}
    run(aws, CENTRAL, "report", *(word for path in files.values() for word in ("--output", str(path))))
    texts = {suffix: path.read_text(encoding="utf-8") for suffix, path in files.items()}
    reported = {each["account_id"]: each for each in json.loads(texts["json"])["accounts"]}
    verified = scene.verify()
    aws.advance_clock(seconds=27 * 3600)
    aws.settle()
    a_day_later = scene.report()
    fix(scene, reported)
    fixed, verified_again = scene.report(), scene.verify()
    aws.switch("no-dedup-in-queries", on=True)
    without_journal, verified_without_journal = scene.report(), scene.verify()
    aws.switch("no-dedup-in-queries", on=False)
    scene.stack_instances("delete", MOVES_IN, "Workloads")
    strayed = scene.verify()
    scene.do(strayed[FOLLOWS])
    scene.stack_instances("create", OUTSIDE, "Sandbox")
    left = scene.verify()
    scene.do(left[FOLLOWS])
    followed = scene.verify()
    with_pack = report_with_pack(scene)
    join(scene)
    return Story(
        at_first,
        reported,
        texts,
        verified,
        a_day_later,
        fixed,
        verified_again,
        without_journal,
        verified_without_journal,
        strayed,
        left,
        followed,
        with_pack,
        joined=scene.report(),
        verified_at_last=scene.verify(),
    )


def go_wrong(scene: Scene) -> None:
    """Let administrators put rules of their own, and accounts move; an hour passes."""
    for account_id in (LIES, LIES_UNREAD, DELETES):
        scene.client("config", account_id).delete_config_rule(ConfigRuleName=RULE_NAME)
    for account_id in (LIES, LIES_UNREAD):
        make_rule(administrator(scene.aws, account_id), RULE_NAME, "COMPLIANT")
    weaken(scene)
    scene.move(MOVES_IN, "Workloads/Production")
    scene.move(SILENT, "Workloads")
    scene.move(MOVES_OUT, "Sandbox")
    scene.aws.settle()
    scene.result(MOVES_IN)
    scene.aws.advance_clock(seconds=3700)
    scene.aws.settle()


def weaken(scene: Scene) -> None:
    """Let a hardware token be enough for the rule of an account, as its administrator can."""
    config = scene.client("config", WEAKENS)
    [found] = config.describe_config_rules(ConfigRuleNames=[RULE_NAME])["ConfigRules"]
    parameters = json.loads(found["InputParameters"]) | {"nonVirtualMfa": "COMPLIANT"}
    kept = {name: found[name] for name in ("ConfigRuleName", "Source", "MaximumExecutionFrequency") if name in found}
    config.put_config_rule(ConfigRule={**kept, "InputParameters": json.dumps(parameters)})
    scene.evaluate(WEAKENS)


def report_with_pack(scene: Scene) -> dict[str, dict[str, Any]]:
    """Report while a conformance pack has put another rule, which asks for two devices, as while one way follows the other."""
    config, pack = scene.client("config"), {"OrganizationConformancePackName": "root-virtual-mfa"}
    given = {"FunctionArn": scene.function_arn, "MinimumVirtualMfaDevices": "2"}
    config.put_organization_conformance_pack(
        **pack,
        TemplateBody=(PROJECT / "conformance_packs/root-virtual-mfa.yaml").read_text(encoding="utf-8"),
        ConformancePackInputParameters=[{"ParameterName": name, "ParameterValue": value} for name, value in given.items()],
        ExcludedAccounts=[each for each, status in STATUSES.items() if status in {"NOT_IN_SCOPE", "EXCLUDED"}],
    )
    scene.aws.settle()
    found = scene.report()
    config.delete_organization_conformance_pack(**pack)
    scene.aws.settle()
    return found


def join(scene: Scene) -> None:
    """Let accounts join while AWS answers otherwise; an hour passes."""
    for switch, account_id in (("no-evaluation-of-new-rules", JOINS), ("withhold-source-org-id", JOINS_LATER)):
        scene.aws.switch(switch, on=True)
        scene.aws.create_account(account_id, "joins", "Workloads", {})
        scene.aws.settle()
    scene.aws.advance_clock(seconds=3700)
    scene.aws.settle()


def fix(scene: Scene, reported: Found) -> None:
    """Do what the report says."""
    scene.aws.clear_faults()
    start_recorder(scene.aws, SILENT)
    for account_id in (LIES, LIES_UNREAD, DELETES, WEAKENS, SILENT):
        for advice in reported[account_id]["advice"]:
            scene.do(advice)
        scene.result(account_id)
    scene.aws.settle()


FOLLOWS = "The StackSet follows accounts that move"
SIGNS = "AWS Config says who made the rule, and which function evaluates it"
INVOCATION = "AWS Config may invoke the function for every account"
FIRST = "AWS Config evaluates a new rule at once"
COVERAGE = "The StackSet reaches every account but the excluded ones"


def outcomes(found: Found, outcome: str) -> set[str]:
    return {name for name, each in found.items() if each["outcome"] == outcome}


def whys(account: Mapping[str, Any]) -> str:
    return " ".join(advice["why"] for advice in account["advice"])


def test_after_the_deployment_no_check_fails_and_none_is_about_a_pack(story: Story) -> None:
    assert outcomes(story.at_first, "FAILS") == set(), story.at_first
    assert list(story.at_first) == [check.name for check in CHECKS if "conformance pack" not in check.name]
    assert story.at_first[FOLLOWS]["outcome"] == "NOT_YET"
    for name in (INVOCATION, FIRST, SIGNS, COVERAGE, "The journal can be queried"):
        assert story.at_first[name]["outcome"] == "HOLDS", story.at_first[name]
    assert "AWS Config names the organization" in story.at_first[INVOCATION]["text"]


def test_every_account_has_its_status_in_every_format(story: Story) -> None:
    assert {account_id: account["status"] for account_id, account in story.reported.items()} == STATUSES
    rows = csv.DictReader(io.StringIO(story.texts["csv"], newline=""))
    assert {row["account_id"]: row["status"] for row in rows} == STATUSES
    assert dict(re.findall(r'<tr data-account="(\d+)" data-status="(\w+)">', story.texts["html"])) == STATUSES
    counts = "3 NON_COMPLIANT, 3 UNKNOWN, 4 COMPLIANT, 2 NOT_IN_SCOPE, 1 EXCLUDED"
    assert story.texts["txt"].endswith(f"13 accounts: {counts}\n")


def test_rule_of_somebody_makes_no_account_compliant(story: Story) -> None:
    for account_id in (LIES, WEAKENS):
        assert "The journal says NON_COMPLIANT" in whys(story.reported[account_id])
        assert "and AWS Config says COMPLIANT." in whys(story.reported[account_id])
    assert "the journal has no evaluation by the deployment's own rule" in whys(story.reported[LIES_UNREAD])
    assert "iam:GetAccountSummary failed" in whys(story.reported[LIES_UNREAD])
    assert all(SAID not in story.reported[each]["annotation"] for each in (LIES, LIES_UNREAD))
    found = story.verified[SIGNS]
    assert found["outcome"] == "FAILS"
    assert LIES in found["text"]
    assert LIES_UNREAD in found["text"]


def test_a_day_later_nobody_knows_what_the_own_rule_no_longer_says(story: Story) -> None:
    stale = dict.fromkeys((LIES, WEAKENS, LIES_UNREAD, DELETES), "UNKNOWN")
    assert {account_id: account["status"] for account_id, account in story.a_day_later.items()} == STATUSES | stale
    for account_id in (LIES, WEAKENS, LIES_UNREAD):
        assert "AWS Config says COMPLIANT" in whys(story.a_day_later[account_id])
        assert "no evaluation by the deployment's own rule in the last 26 h" in whys(story.a_day_later[account_id])
    assert "the rule is not there" in whys(story.a_day_later[DELETES])


def test_account_whose_rule_is_gone_is_unknown(story: Story) -> None:
    assert "The journal says COMPLIANT" in whys(story.reported[DELETES])
    assert "and AWS Config says nothing." in whys(story.reported[DELETES])


def test_account_that_moved_in_without_a_recorder_says_so(story: Story) -> None:
    account = story.reported[SILENT]
    assert account["stack_set_status"] == "FAILED"
    assert "recorder" in whys(account)
    assert f"Turn the account's configuration recorder on in {REGION}" in account["advice"][0]["action"]
    assert SILENT in story.verified[COVERAGE]["text"]
    assert story.verified[COVERAGE]["outcome"] == "FAILS"


def test_what_the_report_says_fixes_it(story: Story) -> None:
    fixed = dict.fromkeys((LIES_UNREAD,), "NON_COMPLIANT") | dict.fromkeys((DELETES, SILENT), "COMPLIANT")
    assert {account_id: account["status"] for account_id, account in story.fixed.items()} == STATUSES | fixed
    assert [account_id for account_id, account in story.fixed.items() if account["advice"]] == []
    assert {story.verified_again[name]["outcome"] for name in (SIGNS, COVERAGE, FOLLOWS)} == {"HOLDS"}, story.verified_again


def test_without_the_journal_nobody_passes(story: Story) -> None:
    statuses = {account_id: account["status"] for account_id, account in story.without_journal.items()}
    passing = {each for each, account in story.fixed.items() if account["status"] == "COMPLIANT"}
    assert {each for each, status in statuses.items() if status == "UNKNOWN"} == passing
    assert "COMPLIANT" not in statuses.values()
    assert all("logs:StartQuery" in story.without_journal[each]["advice"][0]["action"] for each in passing)
    found = story.verified_without_journal["The journal can be queried"]
    assert found["outcome"] == "FAILS"
    assert "calls an account UNKNOWN" in found["text"]


def test_check_sees_whether_the_stack_set_follows(story: Story) -> None:
    assert f"followed 3 accounts: {MOVES_IN}, {MOVES_OUT}, {SILENT}," in story.verified[FOLLOWS]["text"]
    for found, account_id in ((story.strayed, MOVES_IN), (story.left, OUTSIDE)):
        assert found[FOLLOWS]["outcome"] == "FAILS"
        assert account_id in found[FOLLOWS]["text"]
    assert story.followed[FOLLOWS]["outcome"] == "HOLDS", "its command fixes it"


def test_with_a_rule_of_each_way_the_worst_result_counts(story: Story) -> None:
    own = {account_id: account["status"] for account_id, account in story.fixed.items()}
    worst = {account_id: "NON_COMPLIANT" if status == "COMPLIANT" else status for account_id, status in own.items()}
    assert {account_id: account["status"] for account_id, account in story.with_pack.items()} == worst
    virtual = story.with_pack[VIRTUAL]
    assert (len(virtual["rule_names"]), virtual["conformance_pack_status"]) == (2, "")
    assert "minimumVirtualMfaDevices is 2" in virtual["annotation"]
    assert "it is left over from a conformance pack, or somebody made a rule of this name" in whys(virtual)


def test_accounts_that_join_while_aws_answers_otherwise_are_unknown_and_the_checks_fail(story: Story) -> None:
    assert {story.joined[each]["status"] for each in (JOINS, JOINS_LATER)} == {"UNKNOWN"}
    assert story.joined[JOINS_LATER]["advice"][0]["commands"] == [
        "root-virtual-mfa deploy --parameter InvokePermission=Accounts"
    ]
    failed = {name: story.verified_at_last[name] for name in (INVOCATION, FIRST)}
    assert {each["outcome"] for each in failed.values()} == {"FAILS"}, failed
    assert (JOINS_LATER in failed[INVOCATION]["text"], JOINS in failed[FIRST]["text"]) == (True, True)
    assert f"--config-rule-names {RULE_NAME}" in failed[FIRST]["commands"][0]
