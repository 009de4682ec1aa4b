"""What a cold start does without, and that it is still there for whoever asks for it."""

import json
import subprocess
import sys
from pathlib import Path

from botocore.loaders import Loader

from root_virtual_mfa_enabled import facts

RULES = Path(__file__).parents[2] / "rules"


def run(code: str) -> object:
    """Run code that prints JSON, in an interpreter that has loaded nothing else."""
    code = f"import json, sys; sys.path[:0] = {[str(RULES), *sys.path]!r}\n{code}"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)  # noqa: S603 - our own code
    return json.loads(done.stdout)


def test_the_rule_loads_rdklib_without_boto3() -> None:
    loaded = run("import root_virtual_mfa_enabled.rule; print(json.dumps([name.partition('.')[0] for name in sys.modules]))")
    assert isinstance(loaded, list)
    assert "rdklib" in loaded
    assert not {"boto3", "s3transfer"} & set(loaded)


def test_boto3_is_there_for_rdklib_and_for_everybody_else() -> None:
    code = """
from root_virtual_mfa_enabled import frame
import rdklib.clientfactory
theirs = rdklib.clientfactory.boto3.client
import boto3
print(json.dumps([theirs is boto3.client, type(boto3).__name__, frame.ConfigRule is rdklib.ConfigRule]))
"""
    assert run(code) == [True, "module", True]


def test_boto3_stays_where_it_was_loaded_before() -> None:
    code = """
import boto3
from root_virtual_mfa_enabled import frame
import rdklib.clientfactory
print(json.dumps([rdklib.clientfactory.boto3 is boto3, sys.modules["boto3"] is boto3]))
"""
    assert run(code) == [True, True]


def test_the_pagination_is_that_of_botocores_model() -> None:
    model = Loader().load_service_model("iam", "paginators-1")
    assert model["pagination"]["ListVirtualMFADevices"] == facts._PAGINATION  # noqa: SLF001 - botocore has it, and nothing else shows
