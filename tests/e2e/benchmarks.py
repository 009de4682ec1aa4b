"""Runs a benchmark, and holds it to leaving nothing behind."""

import importlib
import json
import signal
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest


def measure(module: str, *arguments: str, folder: Path) -> tuple[Any, str]:
    """Run a benchmark that has to succeed, in this process, which has imported all that it needs.

    Returns what it wrote as JSON, and what it printed.
    """
    temporary, result, printed = folder / "tmp", folder / "result.json", StringIO()
    temporary.mkdir()
    heeds = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
            patch.setenv("TMPDIR", str(temporary))
            patch.setattr(tempfile, "tempdir", None)  # which keeps what it was at first
            code = importlib.import_module(module).main([*arguments, "--json", str(result)])
    finally:
        signal.signal(signal.SIGTERM, heeds)
    assert code == 0, printed.getvalue()
    assert list(temporary.iterdir()) == []
    return json.loads(result.read_text(encoding="utf-8")), printed.getvalue()


def refusal(module: str, *arguments: str) -> str:
    """Return how a benchmark refuses its arguments."""
    said = StringIO()
    with pytest.raises(SystemExit) as end, redirect_stderr(said):
        importlib.import_module(module).main(arguments)
    assert end.value.code == 2
    return said.getvalue()
