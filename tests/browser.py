"""A headless Chromium for tests, if one is installed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
_CHROMEDRIVER = shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (_CHROMIUM and _CHROMEDRIVER), reason="Chromium and chromedriver are needed (Debian: chromium and chromium-driver)"
)


@contextmanager
def chromium(home: Path, resolver_rules: str = "MAP * ~NOTFOUND") -> Iterator[webdriver.Chrome]:
    """Run a browser that reaches no network, keeps everything below `home`, and logs what it requests."""
    options = Options()
    options.binary_location = str(_CHROMIUM)
    arguments = [
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--host-resolver-rules={resolver_rules}",
        "--window-size=1280,900",
        f"--user-data-dir={home / 'profile'}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium has no sandbox for root
    ]
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(executable_path=str(_CHROMEDRIVER), env={**os.environ, "HOME": str(home)})
    with webdriver.Chrome(options, service) as browser:
        yield browser
