"""The command as it is installed: from a wheel, in an environment of its own, away from the checkout."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from organization import cli, project

PROJECT = Path(__file__).parents[2]
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@dataclass(frozen=True)
class Installed:
    """The installed command, run in an empty folder."""

    program: Path
    folder: Path

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - our own command
            [self.program, *arguments],
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build a wheel without a network, and install it beside the dependencies that are installed here."""
    directory = tmp_path_factory.mktemp("installed")
    source, environment, folder = (directory / name for name in ("source", "environment", "folder"))
    for name in ("organization", "rules"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-index", "--no-deps"]
    subprocess.run(  # noqa: S603 - pip, and our own package
        [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", directory, source], check=True
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)  # noqa: S603 - our own folder
    python = environment / "bin" / "python"
    (wheel,) = directory.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", *offline, wheel], check=True)  # noqa: S603 - our own wheel
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return Installed(environment / "bin" / "root-virtual-mfa", folder)


def test_version_is_that_of_the_project(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.run("--version").stdout == f"root-virtual-mfa, version {VERSION}\n"
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"root-virtual-mfa, version {VERSION}\n"
    assert project.version() == VERSION


def test_help_names_every_command(installed: Installed) -> None:
    said = installed.run("--help")
    assert said.returncode == 0
    commands = said.stdout.partition("Commands:\n")[2]
    assert {"preflight", "deploy", "check", "inventory", "report", "delete"} <= set(
        re.findall(r"^  (\w+)", commands, re.MULTILINE)
    )
    for name in ("preflight", "deploy", "report", "delete"):
        shown = installed.run(name, "--help").stdout
        assert all(option in shown for option in ("--region", "--profile", "--stack-name", "Exit code 0:", "Exit code 2:"))


def test_report_needs_no_checkout(installed: Installed) -> None:
    ran = installed.run("report", "--output", "report.html", AWS_REGION="eu-central-1")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "No AWS credentials were found" in ran.stderr


def test_page_templates_are_installed(installed: Installed) -> None:
    names = [str(each.relative_to(PROJECT / "organization")) for each in PROJECT.glob("organization/**/*.html.jinja")]
    assert {"page.html.jinja", "report/report.html.jinja"} <= set(names)
    code = f"from organization import page; [page._TEMPLATES.get_template(name) for name in {names}]"
    python = installed.program.parent / "python"
    subprocess.run([python, "-c", code], cwd=installed.folder, check=True)  # noqa: S603 - our own code


def test_check_and_inventory_need_neither_rdklib_nor_a_checkout(installed: Installed) -> None:
    hidden = "import sys; sys.modules['rdklib'] = None; from organization.cli import main; sys.exit(main(sys.argv[1:]))"
    python = installed.program.parent / "python"
    for name in ("check", "inventory"):
        ran = subprocess.run(  # noqa: S603 - our own code
            [python, "-c", hidden, name],
            cwd=installed.folder,
            env={"HOME": str(installed.folder), "AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, "No AWS credentials were found" in ran.stderr) == (2, True), ran.stderr


def test_deploy_needs_a_checkout(installed: Installed) -> None:
    ran = installed.run("deploy", "--scope", "account", AWS_REGION="eu-central-1")
    assert ran.returncode == 2
    assert "run this in a checkout of the project, or name one with --directory." in ran.stderr
    named = installed.run("deploy", "--directory", str(PROJECT), AWS_REGION="eu-central-1")
    assert "The SAM CLI is missing: install it (https://" in named.stderr


def test_shell_can_complete(installed: Installed) -> None:
    completed = installed.run(
        _ROOT_VIRTUAL_MFA_COMPLETE="bash_complete", COMP_WORDS="root-virtual-mfa report --st", COMP_CWORD="2"
    )
    assert set(completed.stdout.split()) == {"plain,--stack-name", "plain,--status"}


def test_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "--nothing"]) == 2
    assert "No such option: --nothing" in capsys.readouterr().err
