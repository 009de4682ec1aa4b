"""Measure what the package costs, compared with the least that the same calls cost and with a rule like rdklib's sample.

A benchmark is not a test: the exit code is 0 if it measured everything, whether or not the package met an aim. It is 2 if
something failed or a function gave a wrong answer.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmark.command import add_json_option, at_least, carry_out, write_json
from benchmark.endpoint import Endpoint, EndpointError
from benchmark.measure import Benchmark, Plan, WrongAnswerError, functions, machine
from benchmark.result import Measurements, Row, as_json, rows

QUICK = Plan(rounds=2, events=20, accounts=40)

COMPARED = """\
[bold]What is compared[/]
  package          the built artefact of this package (.aws-sam/build).
  floor            the same calls with bare boto3, the same network settings and log line, and no rule around them: it checks
                   no event and explains no error. For a member account, it makes new clients from one session.
  rdklib's sample  the same rule, written as rdklib's documentation shows, with rdklib's own clients and defaults: it reads its
                   old evaluations at every run, which is one more call.
All three run under Amazon's runtime client against the same scripted AWS on 127.0.0.1, which answers at once: the times do not
include AWS's own. The functions take turns in every round. Times are medians; 1.25x is 1.25 times the floor.
Compare the package with the others: the numbers depend on the machine, and the ratios depend on it less."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    options = _options(arguments)
    return carry_out("make bench", lambda console: _measure(options, console), (EndpointError, WrongAnswerError, OSError))


def _measure(options: argparse.Namespace, console: Console) -> int:
    plan = QUICK if options.quick else Plan(options.rounds, options.events, options.accounts)
    began = time.monotonic()
    with functions() as candidates, Endpoint() as endpoint:
        benchmark = Benchmark(endpoint, candidates)
        _run(benchmark, plan, console)
    package, floor, sample = benchmark.measurements.values()
    table = rows(package, floor, sample, (plan.early, plan.accounts))
    measured_on = machine()
    _show(console, table, sample)
    console.print(f"\n{', '.join(measured_on.values())}. Measured in {time.monotonic() - began:.0f} s.")
    write_json(options.json, lambda: as_json(measured_on, table))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, epilog='Options are given as in: make bench ARGS="--rounds 30".'
    )
    parser.add_argument("--rounds", type=at_least(1), default=15, help="cold starts of each function (default: %(default)s)")
    parser.add_argument(
        "--events", type=at_least(1), default=300, help="warm events for the own account, each (default: %(default)s)"
    )
    parser.add_argument(
        "--accounts",
        type=at_least(4),  # one of each kind before the first reading of the memory, and one of each after it
        default=3000,
        help="member accounts, an event for each; every other one has no MFA (default: %(default)s)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only a few of each, to see that it works; the numbers mean little, and those of memory nothing",
    )
    add_json_option(parser)
    return parser.parse_args(arguments)


def _run(benchmark: Benchmark, plan: Plan, console: Console) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=plan.steps)
        shown = ""

        def step(what: str) -> None:
            nonlocal shown
            # If the output is not a terminal, there is no bar, but still a line for each part.
            if what != shown and not console.is_terminal:
                console.print(f"{what} …")
            shown = what
            progress.update(task, advance=1, description=what)

        benchmark.run(plan, step)


def _show(console: Console, table: Sequence[Row], sample: Measurements) -> None:
    shown = Table("", "Package", "Floor", "rdklib's sample", "Package : floor", "Aim")
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in table:
        beside = f" ({_times(row.sample_ratio)})" if row.sample_ratio is not None else ""
        aim = ""
        if row.met is not None:
            aim = f"≤ {_times(row.aim)} [green]met[/]" if row.met else f"≤ {_times(row.aim)} [red]not met[/]"
        shown.add_row(
            row.measure,
            _value(row, row.package),
            _value(row, row.floor),
            f"{_value(row, row.sample)}{beside}",
            _times(row.ratio),
            aim,
        )
    console.print(shown)
    console.print(COMPARED)
    for address in sorted(sample.refused):
        console.print(
            f"For a member account rdklib's sample calls a fixed STS address first ({address.removeprefix('CONNECT ')}),\n"
            "and ignores AWS_ENDPOINT_URL. Here the proxy refuses that at once, and the sample falls back on a second client:\n"
            "its member run includes this detour. On AWS the first client succeeds, but each event needs a new TLS handshake."
        )


def _value(row: Row, value: float | None) -> str:
    if value is None:
        return "-"
    if row.unit == "x":
        return f"{value:.3f}x"
    return f"{value:.1f} {row.unit}" if row.unit else f"{value:.0f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


if __name__ == "__main__":
    sys.exit(main())
