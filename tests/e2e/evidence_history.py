"""An organization with a history of 91 days on the local AWS, made by advancing the clock.

AWS Config evaluates every account for real at the beginning, every tenth day and at each turn of the story.  On the days
between, the function would have written the same line again: the account's last real line is put into the log once more.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from demo.clients import boto3_client
from demo.sam import RULE_NAME
from local_aws.client import PROJECT, LocalAwsProcess
from tests.e2e.application import wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, unit_id, write_accounts
from tests.e2e.packaged import deploy_organization

STEADY, FAILS, SILENT, HARDWARE, EXCLUDED, LEAVES, FORGES = (f"31000000000{number}" for number in range(1, 8))
JOINS = "310000000008"
DAYS = 91
DAY = timedelta(days=1)
FORGED_PACK = "mine"
SECOND_VERSION = "0.1.0-second"
HOSTILE = "<script>alert(1)</script>"
"""The name of an account."""
Line = dict[str, Any]


class History(Organization):
    """The application deployed for the organization, and what has happened there, by the day of the period."""

    def __init__(self, aws: LocalAwsProcess, account_id: str) -> None:
        super().__init__(aws, account_id)
        self.first: date = self.now().date()
        self.turns: dict[str, date] = {}
        self.own_rules: set[str] = set()
        """The ARNs of the deployment's own rules, as AWS Config has them."""
        self._logs = self.client("logs")
        self._group = self.outputs["LogGroupName"]
        self._logs.create_log_stream(logGroupName=self._group, logStreamName="history")
        self._members = {CENTRAL, STEADY, FAILS, SILENT, HARDWARE, LEAVES, FORGES}
        self._silent: set[str] = set()
        self.note_rules()

    @property
    def today(self) -> date:
        return self.now().date()

    def day(self, number: int) -> date:
        """Return a day by its number; the deployment was made on day 0."""
        return self.first + DAY * number

    def note_rules(self) -> None:
        """Remember which rules the deployment's pack has in each account, or the StackSet's stacks have."""
        packs = self.client("config").get_organization_conformance_pack_detailed_status(
            OrganizationConformancePackName="root-virtual-mfa"
        )["OrganizationConformancePackDetailedStatuses"]
        for pack in packs:
            config = self.client("config", pack["AccountId"])
            described = config.describe_conformance_pack_compliance(ConformancePackName=pack["ConformancePackName"])
            names = [each["ConfigRuleName"] for each in described["ConformancePackRuleComplianceList"]]
            rules = config.describe_config_rules(ConfigRuleNames=names)["ConfigRules"]
            self.own_rules |= {rule["ConfigRuleArn"] for rule in rules}

    def note_rules_of_stacks(self) -> None:
        """Remember the rule that the StackSet's stack has in each account."""
        which = {"StackSetName": self.outputs["StackSetName"], "CallAs": "DELEGATED_ADMIN"}
        for instance in self.client("cloudformation").list_stack_instances(**which)["Summaries"]:
            config = self.client("config", instance["Account"])
            [rule] = config.describe_config_rules(ConfigRuleNames=[RULE_NAME])["ConfigRules"]
            self.own_rules.add(rule["ConfigRuleArn"])

    def raw(self) -> list[tuple[datetime, Line]]:
        """Return every line of the function's log that is JSON, with its time, oldest first."""
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=self._group)
        return [
            (datetime.fromtimestamp(event["timestamp"] / 1000, UTC), json.loads(event["message"]))
            for page in pages
            for event in page["events"]
            if event["message"].startswith("{")
        ]

    # The passing of time

    def pass_days(self, number: int) -> None:
        """Let days pass; on the last one AWS Config evaluates, on those between the last lines come again."""
        before = self.now()
        last = {line["account"]: line for _, line in self.raw() if self.is_own(line)}
        self.aws.advance_clock(seconds=(DAY * number).total_seconds())
        self.aws.settle()
        for between in range(1, number):
            written = before + DAY * between
            self._put(written, [last[each] for each in sorted(self._members - self._silent) if each in last])

    def is_own(self, line: Line) -> bool:
        """Tell whether a line is about an evaluation by the deployment's own rule, by what AWS Config says about rules."""
        own = line.get("configRuleArn") in self.own_rules
        return own and line.get("message") == "evaluation" and line.get("test") is False

    def _put(self, written: datetime, lines: list[Line]) -> None:
        events = [{"timestamp": int(written.timestamp() * 1000), "message": json.dumps(line)} for line in lines]
        if events:
            answer = self._logs.put_log_events(logGroupName=self._group, logStreamName="history", logEvents=events)
            assert "rejectedLogEventsInfo" not in answer

    # The story

    def turn(self, what: str) -> None:
        self.turns[what] = self.today

    def silence(self, account_id: str) -> None:
        """Let nobody evaluate an account: IAM refuses the reads."""
        self.aws.add_fault(account_id, "iam:GetAccountSummary", "AccessDenied")
        self._silent.add(account_id)

    def speak(self, account_id: str) -> None:
        self.aws.clear_faults()
        self._silent.remove(account_id)

    def join(self, account_id: str) -> None:
        self.aws.create_account(account_id, HOSTILE, "Workloads", {"virtual_mfa_devices": ["new"]})
        self.aws.settle()
        self.note_rules()
        self.quieten(account_id)
        self._members.add(account_id)
        self.result(account_id)

    def leave(self, account_id: str) -> None:
        self.client("organizations", MANAGEMENT).remove_account_from_organization(AccountId=account_id)
        self.aws.settle()
        self._members.remove(account_id)

    def switch(self, *paths: str) -> None:
        """Let the StackSet bring the rule, to these organizational units, in the place of the conformance pack."""
        units = ",".join(unit_id(self.aws, path) for path in paths)
        deploy_organization(self.aws, CENTRAL, {"RuleDeployment": "StackSet", "OrganizationalUnitIds": units})
        self.aws.settle()
        self.note_rules_of_stacks()

    def move(self, account_id: str, path: str) -> None:
        """Move an account out of the targets."""
        organizations = self.client("organizations", MANAGEMENT)
        [parent] = organizations.list_parents(ChildId=account_id)["Parents"]
        organizations.move_account(
            AccountId=account_id, SourceParentId=parent["Id"], DestinationParentId=unit_id(self.aws, path)
        )
        self.aws.settle()
        self._members.remove(account_id)

    def quieten(self, *account_ids: str) -> None:
        """Let nothing but AWS Config start runbooks: a script each day and account would take most of the time."""
        for account_id in account_ids:
            self.client("events", account_id).disable_rule(Name="root-virtual-mfa-daily")

    @contextmanager
    def forgery(self, account_id: str) -> Iterator[None]:
        """Let a member have a pack of its own, whose rule accepts what the deployment's does not, and a rule like it."""
        config = self.client("config", account_id)
        config.put_conformance_pack(
            ConformancePackName=FORGED_PACK,
            TemplateBody=(PROJECT / "conformance_packs/root-virtual-mfa.yaml").read_text(encoding="utf-8"),
            ConformancePackInputParameters=[
                {"ParameterName": "FunctionArn", "ParameterValue": self.function_arn},
                {"ParameterName": "NonVirtualMfa", "ParameterValue": "COMPLIANT"},
            ],
        )
        own = {"ExecutionRoleName": "root-virtual-mfa-evaluation", "nonVirtualMfa": "COMPLIANT"}
        config.put_config_rule(ConfigRule=self.rule_of(own))
        self.aws.settle()
        try:
            yield
        finally:
            config.delete_conformance_pack(ConformancePackName=FORGED_PACK)
            config.delete_config_rule(ConfigRuleName="root-virtual-mfa-enabled")

    def deploy_version(self, version: str) -> None:
        """Deploy the same template with another version, as SAM does: a change set."""
        s3, cloudformation = self.client("s3"), self.client("cloudformation")
        bucket = f"packaged-{self.account_id}"
        body = s3.get_object(Bucket=bucket, Key="template.yaml")["Body"].read().decode()
        changed = re.sub(r"VERSION: \S+", f"VERSION: {version}", body)
        assert changed != body
        s3.put_object(Bucket=bucket, Key="second.yaml", Body=changed.encode())
        [stack] = cloudformation.describe_stacks(StackName="root-virtual-mfa")["Stacks"]
        which = {"StackName": "root-virtual-mfa", "ChangeSetName": "second"}
        cloudformation.create_change_set(
            **which,
            ChangeSetType="UPDATE",
            TemplateURL=f"{self.aws.endpoint_url}/{bucket}/second.yaml",
            Parameters=[{"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in stack["Parameters"]],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("change_set_create_complete").wait(**which, WaiterConfig={"Delay": 0.1, "MaxAttempts": 3000})
        cloudformation.execute_change_set(**which)
        waiter = cloudformation.get_waiter("stack_update_complete")
        waiter.wait(StackName="root-virtual-mfa", WaiterConfig={"Delay": 0.1, "MaxAttempts": 3000})
        self.aws.settle()


@contextmanager
def history(directory: Path) -> Iterator[History]:
    """Make the organization, and let its history pass."""
    accounts: Mapping[str, Any] = {
        MANAGEMENT: {"name": "management", "root_user": {"virtual_mfa_devices": ["safe"]}},
        CENTRAL: {"name": "security", "root_user": {"virtual_mfa_devices": ["duty-phone"]}},
        STEADY: {"name": "steady", "root_user": {"virtual_mfa_devices": ["phone"]}},
        FAILS: {"name": "fails", "root_user": {"virtual_mfa_devices": ["phone"]}},
        SILENT: {"name": "silent", "root_user": {"virtual_mfa_devices": ["phone"]}},
        HARDWARE: {"name": "hardware", "root_user": {"hardware_mfa_devices": 1}},
        EXCLUDED: {"name": "excluded"},
        LEAVES: {"name": "leaves", "root_user": {"virtual_mfa_devices": ["phone"]}},
        FORGES: {"name": "forges", "root_user": {"hardware_mfa_devices": 1}},
    }
    members = [account_id for account_id in accounts if account_id not in {MANAGEMENT, CENTRAL}]
    file = write_accounts(directory, accounts, {"Security": [CENTRAL], "Workloads": members, "Elsewhere": []})
    with LocalAwsProcess(file, directory / "local-aws.log") as aws:
        aws.advance_clock(seconds=_until_six(boto3_client(aws, "sts", CENTRAL)))
        deploy_organization(aws, CENTRAL, {"ExcludedAccounts": EXCLUDED})
        aws.settle()
        found = History(aws, CENTRAL)
        found.quieten(CENTRAL, STEADY, FAILS, SILENT, HARDWARE, LEAVES, FORGES)
        for account_id in (CENTRAL, STEADY, FAILS, SILENT, HARDWARE, LEAVES, FORGES):
            found.result(account_id)
        _tell(found)
        yield found


def _until_six(sts: Any) -> float:  # noqa: ANN401 - a client
    """Return the seconds until six o'clock in the morning of the next day: no turn of the story is near midnight."""
    now = parsedate_to_datetime(sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]["date"])
    six = datetime(now.year, now.month, now.day, 6, tzinfo=UTC) + DAY
    return (six - now).total_seconds()


def _tell(it: History) -> None:
    it.pass_days(10)
    it.change_root_user(FAILS, "remove-virtual-device phone")
    it.turn("fails")
    assert it.evaluate(FAILS)["ComplianceType"] == "NON_COMPLIANT"
    it.pass_days(10)
    it.join(JOINS)
    it.turn("joins")
    it.silence(SILENT)
    it.turn("silent")
    it.pass_days(10)
    wait_for(lambda: it.lines("evaluation failed"), "a failure")
    it.change_root_user(FAILS, "add-virtual-device new")
    it.turn("recovers")
    assert it.evaluate(FAILS)["ComplianceType"] == "COMPLIANT"
    it.speak(SILENT)
    assert it.evaluate(SILENT)["ComplianceType"] == "COMPLIANT"
    it.turn("speaks")
    it.pass_days(10)
    it.turn("forges")
    with it.forgery(FORGES):
        it.pass_days(10)
    it.leave(LEAVES)
    it.turn("leaves")
    it.pass_days(10)
    deploy_organization(it.aws, CENTRAL, {"NonVirtualMfa": "COMPLIANT"})
    it.aws.settle()
    it.turn("parameters")
    it.pass_days(10)
    it.switch("Security", "Workloads")
    it.turn("switches")
    it.pass_days(5)
    it.move(STEADY, "Elsewhere")
    it.turn("moves")
    it.pass_days(5)
    it.deploy_version(SECOND_VERSION)
    it.turn("version")
    it.pass_days(10)
    it.pass_days(1)
