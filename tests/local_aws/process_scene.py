"""Building blocks for the tests of processes: the process of a local AWS, and whether a process still runs."""

import os
import re
from pathlib import Path

from local_aws.client import LocalAwsProcess


def process_id(local_aws: LocalAwsProcess) -> int:
    assert local_aws._process is not None  # noqa: SLF001 - no user needs it, and nothing else tells it
    return local_aws._process.pid  # noqa: SLF001 - as above


def runs(process_id: int) -> bool:
    """Return whether a process runs. A zombie does not: only its adoptive parent could take it away.

    If another thread has ended the process, the first one is a zombie a little before: its parent hears nothing yet.
    """
    try:
        os.kill(process_id, 0)
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
        return not re.search(r"^State:\s+Z.*^Threads:\s+1$", status, re.MULTILINE | re.DOTALL)
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
