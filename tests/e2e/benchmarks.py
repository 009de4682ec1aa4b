"""Runs a benchmark as people do, and holds it to leaving nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from local_aws.client import PROJECT


def run_benchmark(module: str, *arguments: str | Path, temporary: Path) -> "subprocess.CompletedProcess[str]":
    """Run a benchmark with a folder of its own for temporary files."""
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def measure(module: str, *arguments: str, folder: Path) -> tuple[Any, str]:
    """Run a benchmark that has to succeed. Returns what it wrote as JSON, and what it printed."""
    temporary, result = folder / "tmp", folder / "result.json"
    temporary.mkdir()
    ran = run_benchmark(module, *arguments, "--json", result, temporary=temporary)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(temporary.iterdir())
    return json.loads(result.read_text(encoding="utf-8")), ran.stdout
