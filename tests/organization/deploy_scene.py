"""AWS and the SAM CLI as the tests of `deploy` have them, neither of them real, and somebody at a terminal."""

import io
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from organization import cli
from organization.preflight.judging import SERVICES
from tests.fake_aws import CENTRAL, FakeAws, RefusalError
from tests.organization.fake_organization import MANAGEMENT, MEMBER, ORGANIZATION, OTHER, ROOT, account, stack

PROJECT = Path(__file__).parents[2]
REFUSED = "InsufficientPermissionsException"
NAMES = {"OrganizationId": ORGANIZATION, "OrganizationRootId": ROOT, "ManagementAccountId": MANAGEMENT}

SAM = """#!/bin/sh
# Remembers how it was called.
printf '%s\\n' "$*" >> "$0.calls"
echo "SAM says: PYTHON=$PYTHON"
exit "$(cat "$0.code")"
"""


@dataclass
class Scene:
    """AWS and the SAM CLI, neither of them real; the stack as it is `before`, `after` and `at_last`, when deployed twice."""

    aws: FakeAws
    sam: Path
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = field(default_factory=stack)
    at_last: dict[str, Any] = field(default_factory=stack)

    def stays(self, described: dict[str, Any]) -> None:
        """Let the stack be there, and stay as it is."""
        self.before = self.after = described

    def describe(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        described = [self.before, self.after, self.at_last][len(self.deployments())]
        if described is None:
            raise RefusalError("ValidationError", "Stack with id x does not exist")
        return {"Stacks": [described]}

    def sam_calls(self) -> list[str]:
        calls = self.sam.with_name("sam.calls")
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []

    def deployments(self) -> list[str]:
        """Return the options of each `sam deploy`."""
        return [call.removeprefix("deploy ") for call in self.sam_calls() if call.startswith("deploy ")]

    def packs(self, **statuses: str) -> None:
        """Let the conformance pack have a status, or fail with an error code, in accounts."""
        failed = {"ErrorMessage": "The AWS Lambda function cannot be invoked. Check the function's permissions."}
        self.aws.answers["GetOrganizationConformancePackDetailedStatus"] = {
            "OrganizationConformancePackDetailedStatuses": [
                {"AccountId": account_id.removeprefix("in_"), "ConformancePackName": "x", "Status": status}
                if status.isupper()
                else {
                    "AccountId": account_id.removeprefix("in_"),
                    "ConformancePackName": "x",
                    "Status": "CREATE_FAILED",
                    "ErrorCode": status,
                    **(failed if status == REFUSED else {}),
                }
                for account_id, status in statuses.items()
            ]
        }

    def stack_instances(self, **reasons: str) -> None:
        """Let the StackSet's stack have succeeded, for "", or have failed for a reason, in accounts."""
        self.aws.answers["ListStackInstances"] = {
            "Summaries": [
                {
                    "Account": account_id.removeprefix("in_"),
                    "StackInstanceStatus": {"DetailedStatus": "FAILED" if reason else "SUCCEEDED"},
                    **({"StatusReason": reason} if reason else {}),
                }
                for account_id, reason in reasons.items()
            ]
        }

    def deploys(self, *arguments: str) -> str:
        """Return the options of the one `sam deploy` of a run that ends well."""
        assert run(*arguments) == 0
        (call,) = self.sam_calls()
        command, _, options = call.partition(" ")
        assert command == "deploy"
        return options


@contextmanager
def in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Answer for an organization in which nothing is missing, to a delegated administrator; no stack is there before."""
    sam = tmp_path / "bin" / "sam"
    sam.parent.mkdir()
    sam.write_text(SAM, encoding="utf-8")
    sam.chmod(0o755)
    sam.with_name("sam.code").write_text("0", encoding="utf-8")
    monkeypatch.setattr(sys, "executable", str(sam.parent / "python"))
    (tmp_path / "checkout" / ".aws-sam" / "build").mkdir(parents=True)
    for name in ("template.yaml", "account.yaml", "samconfig.toml"):
        shutil.copy(PROJECT / name, tmp_path / "checkout")
    (tmp_path / "checkout" / ".aws-sam" / "build" / "template.yaml").touch()
    monkeypatch.chdir(tmp_path / "checkout")

    def refuse(code: str) -> Any:  # noqa: ANN401 - an answer of any operation
        def fail(_: Mapping[str, Any]) -> Mapping[str, Any]:
            raise RefusalError(code)

        return fail

    def aggregators(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if "ConfigurationAggregatorNames" in asked:
            raise RefusalError("NoSuchConfigurationAggregatorException")
        return {"ConfigurationAggregators": []}

    aws = FakeAws(
        {
            "DescribeOrganization": {"Organization": {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "FeatureSet": "ALL"}},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "ListAccounts": {"Accounts": [account(each, each) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)]},
            "ListAWSServiceAccessForOrganization": {"EnabledServicePrincipals": [{"ServicePrincipal": s} for s in SERVICES]},
            "ListDelegatedAdministrators": {"DelegatedAdministrators": [{"Id": CENTRAL}]},
            "DescribeConfigurationRecorderStatus": {"ConfigurationRecordersStatus": [{"name": "default", "recording": True}]},
            "DescribeConfigurationAggregators": aggregators,
            "GetRole": refuse("NoSuchEntity"),
            "DescribeOrganizationConformancePacks": refuse("NoSuchOrganizationConformancePackException"),
            "GetOrganizationConformancePackDetailedStatus": refuse("NoSuchOrganizationConformancePackException"),
            "DescribeType": {"TypeName": "AWS::Lambda::ResourcePolicy"},
            "DescribeConfigurationRecorders": {"ConfigurationRecorders": [{"name": "default"}]},
            "DescribeStackEvents": {"StackEvents": []},
            "DescribeStackSet": refuse("StackSetNotFoundException"),
            "ListStackInstances": {"Summaries": []},
        }
    )
    with aws.in_place():
        scene = Scene(aws, sam)
        aws.answers["DescribeStacks"] = scene.describe
        yield scene


def run(*arguments: str) -> int:
    return cli.main(["deploy", "--no-build", *arguments])


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("root-virtual-mfa: ")


class Terminal(io.StringIO):
    """Somebody at a terminal who types these lines."""

    def isatty(self) -> bool:
        return True


def types(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))


def overrides(options: str) -> dict[str, str]:
    """Return the parameters of a `sam deploy`."""
    pairs = shlex.split(options.partition("--parameter-overrides ")[2])
    return dict(pair.split("=", 1) for pair in pairs)
