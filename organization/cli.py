"""The command line: its subcommands, their options, and what an error becomes."""

import io
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from botocore.exceptions import BotoCoreError, ClientError

from organization import aws, commands, delete, deployment, project
from organization.accounts import EXIT_INTERRUPTED
from organization.aws import CommandError
from organization.check import command as check
from organization.commands import PROGRAM
from organization.controls.reading import frameworks
from organization.deploy import command as deploy
from organization.deploy import management_account as management_account_command
from organization.deploy.parameters import SCOPES, Options
from organization.evidence import command as evidence
from organization.exceptions import judging as exceptions
from organization.files import Formats
from organization.inventory import command as inventory
from organization.preflight import command as preflight
from organization.report import command as report
from organization.screen import complain
from organization.statuses import Status
from organization.verify import command as verify
from root_virtual_mfa_enabled.parameters import PARAMETERS

EXIT_ERROR = 2

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120, "show_default": True}


_PROFILE = click.option("--profile", metavar="NAME", help="A profile of the AWS configuration.  [default: AWS_PROFILE]")


def _as_whom(function: F) -> F:
    """Give a command that needs no deployment the options that say whose credentials it reads with."""
    region = click.option(
        "--region", metavar="REGION", help="A Region in the partition of the accounts.  [default: AWS_REGION, or the profile's]"
    )
    return region(_PROFILE(function))


def _tell_of_region(context: click.Context, _: click.Parameter, region: str | None) -> str | None:
    """Give the commands that this one prints the Region that it got."""
    context.with_resource(commands.given_region(region))
    return region


def _where(function: F) -> F:
    """Give a command the options that say which deployment it is about."""
    for option in (
        click.option(
            "--stack-name", default=deployment.STACK_NAME, metavar="NAME", help="The CloudFormation stack of the deployment."
        ),
        _PROFILE,
        click.option(
            "--region",
            metavar="REGION",
            callback=_tell_of_region,
            help="The home Region of the deployment.  [default: AWS_REGION, or the profile's]",
        ),
    ):
        function = option(function)
    return function


def _prints(formats: Formats[Any]) -> Callable[[F], F]:
    """Give a command the options for one of `formats` on the screen, and for files."""

    def decorate(function: F) -> F:
        for option in (
            click.option(
                "--output",
                type=click.Path(path_type=Path),
                multiple=True,
                metavar="FILE",
                help=f"Write a file too, in the format of its name: {formats.endings}. May be given several times.",
            ),
            click.option(
                "--format",
                "format_name",
                type=click.Choice(formats.names),
                help="What to print; with --output, the format of the files, whatever their names.  [default: table]",
            ),
        ):
            function = option(function)
        return function

    return decorate


def _excepts(*names: str) -> Callable[[F], F]:
    """Give a command the option, of these names, for the file of exceptions."""
    return click.option(
        *names,
        "exceptions_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"The reasons for exclusions, and the accepted failures.  [default: {exceptions.FILE} beside template.yaml]",
    )


def _tells_controls(what: str) -> Callable[[F], F]:
    """Give a command the option for the frameworks for which it does `what`."""
    return click.option(
        "--framework",
        "framework_names",
        type=click.Choice(list(frameworks())),
        multiple=True,
        metavar="NAME",
        help=f"{what}; may be given several times. NAME is one of {', '.join(frameworks())}.",
    )


class _Parameter(click.ParamType):
    """A parameter of the template or of the rule, as NAME=VALUE."""

    name = "parameter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401 - click's
        """Part it at the first "="."""
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} must be NAME=VALUE.", param, ctx)
        return name, text


def _takes_parameters(option: str, name: str, help_text: str) -> Callable[[F], F]:
    """Give a command an option of NAME=VALUE, which may be given several times."""
    return click.option(option, name, type=_Parameter(), multiple=True, metavar="NAME=VALUE", help=help_text)


@click.group(
    context_settings=_SETTINGS,
    epilog='For completion, in bash: eval "$(_ROOT_VIRTUAL_MFA_COMPLETE=bash_source root-virtual-mfa)"; also zsh and fish.',
)
@click.version_option(project.version(), prog_name=PROGRAM)
def command() -> None:
    """Virtual MFA of root users, checked by AWS Config: deploy the rule, and report on every account.

    Each command uses your AWS credentials. check and inventory need no deployment; the others need the account and the home
    Region of the deployment.  Exit code 2 says that the command could not do its work, with one sentence on stderr; 130 that
    you interrupted it.
    """


@command.command("preflight", short_help="Check what a deployment for the organization needs.")
@_where
@click.option(
    "--role-name",
    metavar="ROLE",
    help="A role to assume in every account, to see whether its recorder is on.  [default: use an aggregator]",
)
@click.option(
    "--removal", is_flag=True, help="Check what the removal of root credentials needs, too.  [default: if the stack has it]"
)
@_takes_parameters(
    "--parameter",
    "parameters",
    "A parameter of template.yaml for the planned deployment, such as RuleDeployment=StackSet; may be given several times."
    "  [default: the stack's]",
)
def _preflight(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    stack_name: str,
    role_name: str | None,
    removal: bool,
    parameters: Sequence[tuple[str, str]],
) -> int:
    """Check what a deployment for the organization needs.

    Changes nothing. Run it with the credentials and in the Region of the planned deployment: those of a delegated
    administrator, or of the management account. If something is missing, it prints the command that fixes it, and the account
    to run that in. If something is limited, the rule still works, and the check says what does not. It says how many
    accounts are in scope, and ends with the command that deploys.

    \b
    Exit code 0: of what could be seen, nothing is missing.
    Exit code 1: something is missing.
    Exit code 2: the checks could not be made.
    """  # noqa: D301 - click's sign against wrapping
    return preflight.run(region, profile, stack_name, role_name, dict(parameters), removal=removal)


@command.command("deploy", short_help="Deploy to this account, or to the organization.")
@_where
@click.option(
    "--scope",
    type=click.Choice(list(SCOPES)),
    help="This account alone, or every account of its organization.  [default: the stack's; without one, it asks]",
)
@_takes_parameters(
    "--parameter",
    "parameters",
    "A parameter of template.yaml; may be given several times. Parameters that are not given keep their values.",
)
@click.option(
    "--management-account",
    is_flag=True,
    help="Deploy account.yaml to the management account, with credentials of that account, in the home Region. --stack-name "
    "then names the stack in the central account, and --parameter a parameter of account.yaml.",
)
@click.option("--yes", is_flag=True, help="Ask nothing, and execute the change set.")
@click.option(
    "--rollback",
    is_flag=True,
    help="Let CloudFormation roll back if the deployment fails. Without this it does not for an organization, and replaces no "
    "resource there.",
)
@click.option(
    "--build/--no-build", default=True, help="Build the function first with `sam build`, or deploy what is in .aws-sam/build."
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="The checkout with template.yaml.  [default: the current folder, or the one that the command runs from]",
)
def _deploy(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    stack_name: str,
    scope: str | None,
    parameters: Sequence[tuple[str, str]],
    management_account: bool,
    yes: bool,
    rollback: bool,
    build: bool,
    directory: Path | None,
) -> int:
    """Deploy to this account, or to every account of its organization.

    Reads the organization, its root and its management account, and asks for the rest. The SAM CLI shows the change set and
    asks before it executes it. Run it again to change parameters or to update: what has not changed stays.

    For an organization the command finds out whether AWS Config names the organization when it invokes the function. If not,
    the command deploys again, with every account in scope listed in the function's policy. A later deployment lists those that
    have joined since.

    RuleDeployment says what brings the rule into the accounts of an organization: a conformance pack, to all of them, or a
    StackSet, to the organizational units of OrganizationalUnitIds. These are ids, or paths such as Workloads/Production. The
    command says beforehand how many accounts are in scope, which of them are new, and which leave.

    No StackSet reaches the management account. If the stack is in another account, run this in the management account too, with
    --management-account. It takes the parameters of the StackSet. The SAM CLI makes its bucket in that account. Run it again
    after each update.

    \b
    Exit code 0: the stack is deployed, or there was nothing to change.
    Exit code 1: the change set was not confirmed, or the deployment failed.
    Exit code 2: the deployment could not be started.
    """  # noqa: D301 - click's sign against wrapping
    options = Options(scope, dict(parameters), ask=not yes, build=build, rollback=rollback, directory=directory)
    if management_account:
        if scope or rollback:
            message = "--management-account deploys one stack, with rollback: leave --scope and --rollback out."
            raise click.UsageError(message)
        return management_account_command.run(region, profile, stack_name, options)
    return deploy.run(region, profile, stack_name, options)


@command.command("check", short_help="Check accounts before anything is deployed.")
@_as_whom
@click.option(
    "--role-name",
    metavar="ROLE",
    help="A role to assume in every account of the organization.  [default: check the account of your credentials alone]",
)
@_takes_parameters(
    "--parameter",
    "parameters",
    f"A parameter of the rule ({', '.join(PARAMETERS.fields)}); may be given several times.  [default: the rule's]",
)
@_takes_parameters(
    "--compare",
    "compare",
    "Judge with this parameter too, and show which accounts change their verdict; may be given several times. All other "
    "parameters stay as they are.",
)
@_prints(check.FORMATS)
def _check(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    role_name: str | None,
    parameters: Sequence[tuple[str, str]],
    compare: Sequence[tuple[str, str]],
    format_name: str | None,
    output: Sequence[Path],
) -> int:
    """Check what the rule would say about accounts, before anything is deployed.

    Changes nothing, and needs no deployment. It reads the root user of the account of your credentials, or with --role-name of
    every account of the organization, and judges as the rule does. If it cannot read an account, that is UNKNOWN, with the
    reason and what to do. Ctrl-C keeps what was read: the others are UNKNOWN.

    \b
    Exit code 0: every account is COMPLIANT, NOT_APPLICABLE or SUSPENDED.
    Exit code 1: an account is NON_COMPLIANT or UNKNOWN, by the parameters of --parameter.
    Exit code 2: nothing could be checked.
    Exit code 130: you interrupted it.

    For every account, it needs the management account or a delegated administrator of any service.
    """  # noqa: D301 - click's sign against wrapping
    return check.run(
        region,
        profile,
        role_name,
        parameters=dict(parameters),
        compare=dict(compare),
        format_name=format_name,
        output=output,
    )


@command.command("inventory", short_help="Show what the root user of each account has.")
@_where
@click.option(
    "--unused-days",
    type=click.IntRange(1, 3650),
    default=inventory.UNUSED_DAYS,
    metavar="N",
    help="List as removable the credentials that nobody used for N days, and as in use the access keys that somebody used.",
)
@_prints(inventory.FORMATS)
def _inventory(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    stack_name: str,
    unused_days: int,
    format_name: str | None,
    output: Sequence[Path],
) -> int:
    """Show what the root user of each account has: password, access keys, signing certificates, MFA devices of every kind.

    Changes nothing. It opens a root session, which may only audit, in each member account. So it needs centralized root access,
    and the management account or IAM's delegated administrator. No root session reaches the management account: of that it
    shows what its account summary and its virtual devices say. If the rule is deployed here, what contradicts its verdict comes
    first.

    \b
    Exit code 0: nothing contradicts the rule's verdict, and every account is known.
    Exit code 1: something contradicts it, or an account is UNKNOWN.
    Exit code 2: nothing could be read.
    Exit code 130: you interrupted it. What was read is shown, and the other accounts are UNKNOWN.
    """  # noqa: D301 - click's sign against wrapping
    return inventory.run(region, profile, stack_name, unused_days, format_name=format_name, output=output)


@command.command("report", short_help="Report the status of every account.")
@_where
@_prints(report.FORMATS)
@click.option(
    "--status",
    type=click.Choice([str(status) for status in Status], case_sensitive=False),
    multiple=True,
    help="List only the accounts of this status; may be given several times. Totals and exit code count all accounts.",
)
@_excepts("--exceptions", "--exclusions")
@_tells_controls("Show which controls of a framework each account satisfies")
def _report(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    stack_name: str,
    format_name: str | None,
    output: Sequence[Path],
    status: Sequence[str],
    exceptions_path: Path | None,
    framework_names: Sequence[str],
) -> int:
    """Report every account: whether its root user has virtual MFA, and how old that knowledge is.

    Changes nothing. Lists what fails first, and what to do about it.

    \b
    Exit code 0: every account is COMPLIANT, NOT_APPLICABLE, ACCEPTED, NOT_IN_SCOPE, EXCLUDED or SUSPENDED.
    Exit code 1: an account is NON_COMPLIANT or UNKNOWN, or no account is judged.
    Exit code 2: the report could not be made.

    ACCEPTED is a failure that the file of exceptions accepts today. After the last day of its exception, such an account is
    NON_COMPLIANT, and an excluded one UNKNOWN. NOT_IN_SCOPE is an account outside OrganizationalUnitIds.

    There are two sources: AWS Config, and the journal, which is the function's log. If they differ, the report says so, and the
    worse verdict counts. A verdict older than 26 hours is UNKNOWN. Its age counts from the later of both sources. If a StackSet
    brings the rule, an account is COMPLIANT or NOT_APPLICABLE only if the journal says so too.

    A framework asks other questions than this rule. The facts in the journal answer them. Without a fresh line of the
    journal that AWS Config confirms, it is unknown whether an account satisfies a control. The exit code stays the same.
    """  # noqa: D301 - click's sign against wrapping
    return report.run(
        region,
        profile,
        stack_name,
        format_name=format_name,
        output=output,
        only=[Status(each) for each in status],
        exceptions_path=exceptions_path,
        framework_names=framework_names,
    )


def _account_id(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what is not an account's id."""
    if value is not None and not re.fullmatch(r"[0-9]{12}", value):
        message = f"{value!r} must be a 12-digit account id."
        raise click.BadParameter(message, context, parameter)
    return value


@command.command("verify", short_help="Verify in a deployment what AWS's documentation leaves open.")
@_where
@click.option(
    "--role-name",
    metavar="ROLE",
    help="A role to assume in the accounts, to see what only they show.  [default: look into the deployment's account alone]",
)
@_prints(verify.FORMATS)
@click.option(
    "--probe",
    metavar="ACCOUNT",
    callback=_account_id,
    help="An account in which to start the runbooks first and judge their executions; needs --role-name.",
)
@click.option("--yes", is_flag=True, help="Do not ask before the probe.")
def _verify(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    stack_name: str,
    role_name: str | None,
    format_name: str | None,
    output: Sequence[Path],
    probe: str | None,
    yes: bool,
) -> int:
    """Verify in a deployment what AWS's documentation leaves open.

    Without --probe it changes nothing. Run it an hour after the deployment, and again two days later. There is one check for
    each entry of docs/unverified.md. Each says HOLDS with what shows it, FAILS with the command that fixes it, NOT_YET with
    when to verify again, or NOT_SEEN with what it could not check.

    \b
    Exit code 0: nothing fails.
    Exit code 1: something fails.
    Exit code 2: the checks could not be made.

    With --role-name it looks into at most 20 accounts, failing ones first.

    With --probe it starts RootVirtualMfa-Notify and RootVirtualMfa-Reevaluate in that account, and a dry run of the removal, if
    that is deployed. It waits for ten minutes at most. Notify does what it does every day: it may open or resolve the
    account's OpsItem, and sends at most one notice a day.
    """  # noqa: D301 - click's sign against wrapping
    if probe and not yes:
        click.confirm(f"Start RootVirtualMfa-Notify and -Reevaluate in account {probe}?", abort=True, err=True)
    return verify.run(region, profile, stack_name, role_name, probe=probe, format_name=format_name, output=output)


class _Day(click.ParamType):
    """A day, as 2026-01-31."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:  # noqa: ANN401 - click's
        """Read it."""
        try:
            return value if isinstance(value, date) else datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
        except ValueError:
            self.fail(f"{value!r} must be a day such as 2026-01-31.", param, ctx)


@command.command("evidence", short_help="Write the evidence of a period, for an auditor.")
@_where
@click.option("--from", "first", type=_Day(), metavar="DAY", help="The first day, in UTC.  [default: 364 days before the last]")
@click.option(
    "--to", "last", type=_Day(), metavar="DAY", help="The last day, in UTC, which has to be over.  [default: yesterday]"
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="The folder to write: a new one, or an older evidence."
)
@_excepts("--exceptions")
@_tells_controls("Count the days on which each control of a framework was satisfied")
@click.option(
    "--role-name",
    metavar="ROLE",
    help="A role to assume in every account, to list the notices sent there.  [default: this account's runbooks alone]",
)
@click.option(
    "--management-profile",
    metavar="PROFILE",
    help="A profile of the management account, whose CloudTrail tells for 90 days which accounts left and which were moved.",
)
@click.option("--yes", is_flag=True, help="Do not ask before a query that costs more than a few cents.")
@click.option(
    "--verify", type=click.Path(path_type=Path), metavar="DIR", help="Say what has changed in a folder since it was written."
)
@click.option(
    "--manifest-sha256", metavar="HASH", help="With --verify: the SHA-256 that manifest.json had when it was written."
)
def _evidence(  # noqa: PLR0913 - the options of the command
    *,
    region: str | None,
    profile: str | None,
    stack_name: str,
    first: date | None,
    last: date | None,
    output: Path | None,
    exceptions_path: Path | None,
    framework_names: Sequence[str],
    role_name: str | None,
    management_profile: str | None,
    yes: bool,
    verify: Path | None,
    manifest_sha256: str | None,
) -> int:
    """Write the evidence of a period into a folder, for an auditor.

    Changes nothing in AWS. The folder needs nothing else: index.html to read, days/ with the verdict and the facts of each
    account on each day, CSV files and evidence.json, and manifest.json with the SHA-256 of each file. Only manifest.json says
    when and by whom it was made: the same inputs give the same bytes in all other files.

    It reads the journal with queries of CloudWatch Logs Insights, and says beforehand what they cost.

    \b
    Exit code 0: each account-day in scope is known, none fails without an acceptance, and AWS Config contradicts no verdict.
    Exit code 1: the evidence is written, and one of these does not hold.
    Exit code 2: the evidence could not be written; an older one stays as it was.

    With --verify it needs no AWS: it compares a folder with its manifest. Give --manifest-sha256 too, from where nobody who can
    change the folder can change it.

    \b
    Exit code 0: nothing was changed, added or removed.
    Exit code 1: something was.
    Exit code 2: the folder is no evidence, or cannot be read.
    """  # noqa: D301 - click's sign against wrapping
    if verify is not None and output is None:
        return evidence.verify(verify, manifest_sha256)
    if output is None or verify is not None:
        message = "Give --output DIR to write the evidence, or --verify DIR to verify one."
        raise click.UsageError(message)
    return evidence.run(
        region,
        profile,
        stack_name,
        evidence.Wanted(first, last, output, yes, exceptions_path, role_name, framework_names, management_profile),
    )


@command.command("delete", short_help="Delete the deployment.")
@_where
@click.option(
    "--management-account",
    is_flag=True,
    help="Delete what `deploy --management-account` made, with credentials of that account. --stack-name then names the "
    "deployment's stack, which stays.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def _delete(region: str | None, profile: str | None, stack_name: str, *, management_account: bool, yes: bool) -> int:
    """Delete the deployment, in one account or in every account of the organization.

    Shows what goes and what stays behind, and asks for the stack's name. CloudFormation deletes the rules before the roles and
    the function that they need. If a deletion is already under way, it watches that; run it again if it was interrupted.

    \b
    Exit code 0: the stack is gone, or was not there.
    Exit code 1: it was not confirmed, or something could not be deleted.
    Exit code 2: the deletion could not be started.
    """  # noqa: D301 - click's sign against wrapping
    return delete.run(region, profile, stack_name, management_account=management_account, confirmed=yes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.  An expected error becomes one sentence on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every letter of a name
    try:
        code: int | None = command.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_ERROR
    except CommandError as error:
        complain(str(error))
    except (ClientError, BotoCoreError) as error:
        complain(aws.sentence_of(error))
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted.")
        return EXIT_INTERRUPTED
    else:
        return code or 0
    return EXIT_ERROR
