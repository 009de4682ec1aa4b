"""The local AWS is an AWS for any package: no name of this one's own occurs in it."""

import re
from pathlib import Path

LOCAL_AWS = Path(__file__).parents[2] / "local_aws"
OWN_NAME = re.compile(r"root[-_]?virtual[-_]?mfa|evaluation_?role_?name", re.IGNORECASE)


def test_no_name_of_the_package_occurs_in_it() -> None:
    files = [file for file in LOCAL_AWS.rglob("*") if file.suffix in {".py", ".yaml", ".md"}]
    assert LOCAL_AWS / "core/clock.py" in files
    found = [str(file.relative_to(LOCAL_AWS)) for file in files if OWN_NAME.search(file.read_text(encoding="utf-8"))]
    assert found == []


def test_such_a_name_would_be_seen() -> None:
    names = ("root-virtual-mfa", "RootVirtualMfa-Notify", "ROOT_VIRTUAL_MFA_ENABLED", "EVALUATION_ROLE_NAME")
    assert all(OWN_NAME.search(name) for name in names)
