"""The SAM CLI, run as a process in the checkout."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from organization import project
from organization.aws import CommandError

_OTHER_FORM = "ParameterKey="
"""How a parameter begins in the other form that the SAM CLI takes. It looks for that in the middle of a value too.

Source: the SAM CLI, samcli/cli/types.py, CfnParameterOverridesType.
"""

_INSTALL = "https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/install-sam-cli.html"


@dataclass(frozen=True, slots=True)
class Sam:
    """The SAM CLI at `program`, run in `directory` with an `environment` of samconfig.toml.

    `where` has the options that name the stack.
    """

    program: Path
    directory: Path
    environment: str
    where: tuple[str, ...]

    def build(self) -> None:
        """Build the artefact. Raises CommandError with what the SAM CLI said if it fails."""
        with Console(stderr=True).status("Building the artefact ..."):
            # rules/Makefile needs an interpreter with pip, which this one has unless uv installed it.
            python = {"PYTHON": sys.executable} if importlib.util.find_spec("pip") else {}
            ran = self._run("build", variables={"MAKEFLAGS": "", **python}, capture=True)
        if ran.returncode != 0:
            message = f"sam build failed: {ran.stdout.strip()}"
            raise CommandError(message)

    def deploy(self, parameters: Mapping[str, str], *, confirm: bool, rollback: bool) -> int:
        """Deploy what is built; the SAM CLI speaks to the operator itself. Returns its exit code.

        `rollback`: let CloudFormation roll a failed deployment back, whatever samconfig.toml says.  Raises CommandError if the
        SAM CLI would read a value as another parameter.
        """
        for name, value in parameters.items():
            if _OTHER_FORM in value:
                message = (
                    f"Parameter {name} is {value!r}, which the SAM CLI would read as another parameter: give another value."
                )
                raise CommandError(message)
        options = ["--config-env", self.environment, *self.where]
        options.append("--confirm-changeset" if confirm else "--no-confirm-changeset")
        options += ["--no-disable-rollback"] if rollback else []
        overrides = [f"{name}={_quoted(value)}" for name, value in parameters.items()]
        sys.stdout.flush()
        return self._run("deploy", *options, *(["--parameter-overrides", *overrides] if overrides else [])).returncode

    def _run(
        self, *arguments: str, variables: Mapping[str, str] | None = None, capture: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - the SAM CLI, with arguments that are no shell's
            [self.program, *arguments],
            cwd=self.directory,
            env={**os.environ, "SAM_CLI_TELEMETRY": "0", **(variables or {})},
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            text=True,
            check=False,
        )


def folder(given: Path | None) -> Path:
    """Find the checkout to deploy: the given one, or the one at hand. Raises CommandError."""
    found = given if given and project.is_checkout(given) else None if given else project.checkout()
    if found is None:
        message = (
            f"There is no template.yaml with account.yaml and samconfig.toml in {given or Path.cwd()}: "
            "run this in a checkout of the project, or name one with --directory."
        )
        raise CommandError(message)
    return found.absolute()


def find() -> Path:
    """Find the SAM CLI beside this interpreter, as `make setup` installs it, or on the PATH. Raises CommandError."""
    beside = Path(sys.executable).parent / "sam"
    found = beside if beside.is_file() else shutil.which("sam")
    if found is None:
        message = f"The SAM CLI is missing: install it ({_INSTALL}), or run `make setup` and `make deploy`."
        raise CommandError(message)
    return Path(found)


def _quoted(value: str) -> str:
    """Quote a value for the SAM CLI, which takes no empty value and no space without quotes."""
    if value and not any(character.isspace() or character in "\"'\\" for character in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
