"""Checks accounts before anything is deployed: what the rule would say about each, and what another setting would change."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from organization import aws
from organization.accounts import EXIT_INTERRUPTED
from organization.aws import CommandError
from organization.check import formats, judging
from organization.check.judging import Checked, Setting
from organization.check.reading import Reader
from organization.files import Formats
from organization.screen import complain, progress_bars
from periodic_rule.parameters import ParameterError, RuleParameters
from root_virtual_mfa_enabled.parameters import PARAMETERS

FAILED = 1

FORMATS = Formats(formats.print_table, {"csv": formats.as_csv, "json": formats.as_json, "html": formats.as_html})


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    role_name: str | None,
    *,
    parameters: Mapping[str, str],
    compare: Mapping[str, str],
    format_name: str | None = None,
    output: Sequence[Path] = (),
) -> int:
    """Read every account, print what the rule says and write it to files; returns the exit code.

    `role_name`: the role to assume in the organization's accounts; without it, only the own account is checked.  `parameters`:
    of the rule, by name.  `compare`: those of the other setting that differ; none if empty.
    """
    outputs = FORMATS.of_files(output, format_name)
    setting = _setting(parameters)
    compared = _setting({**parameters, **compare}) if compare else None
    checked = _check(region, profile, role_name, setting, compared)
    FORMATS.show(checked, format_name, outputs)
    if checked.interrupted:
        complain("interrupted: the accounts that were not read yet are UNKNOWN.")
        return EXIT_INTERRUPTED
    return FAILED if checked.fails else 0


def _setting(texts: Mapping[str, str]) -> Setting:
    try:
        parameters = PARAMETERS.parse_own(texts)
    except ParameterError as error:
        raise CommandError(str(error)) from error
    return Setting(parameters, PARAMETERS.texts(RuleParameters(parameters)))


def _check(
    region: str | None, profile: str | None, role_name: str | None, setting: Setting, compared: Setting | None
) -> Checked:
    session, caller = aws.session(region, profile, where="a Region in the accounts' partition")
    with progress_bars() as progress:
        reader = Reader(session, caller, role_name, progress)
        accounts = reader.accounts()
        readings = reader.read(accounts)
    return Checked(
        time=caller.time,
        account_id=caller.account_id,
        region=caller.region,
        role_name=role_name,
        setting=setting,
        compared=compared,
        rows=judging.rows(accounts, readings.of, setting, compared, role_name),
        interrupted=readings.interrupted,
    )
