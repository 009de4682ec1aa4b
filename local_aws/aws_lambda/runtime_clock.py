"""Run Amazon's runtime client with a clock that may be ahead of the machine's, like that of the local AWS.

A function's interpreter runs this as a file, without the rest of the local AWS.  Arguments: a file with the seconds as a
double, and the handler.  `time.time` and `time.time_ns` tell that time, and so does the log; `datetime.now` does not.
"""

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path

SECONDS = struct.Struct("d")


def put_forward(clock_file: Path) -> None:
    """Let the clock tell the machine's time plus the seconds that the file holds at that moment."""
    machine = time.time  # noqa: TID251 - this is where the clock's time comes from
    with clock_file.open("rb") as file:
        ahead = mmap.mmap(file.fileno(), SECONDS.size, access=mmap.ACCESS_READ)

    def now() -> float:
        return machine() + float(SECONDS.unpack(ahead[:])[0])

    time.time = now  # noqa: TID251 - this is where the clock's time comes from
    time.time_ns = lambda: int(now() * 1e9)  # noqa: TID251 - this is where the clock's time comes from


if __name__ == "__main__":
    put_forward(Path(sys.argv.pop(1)))
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
