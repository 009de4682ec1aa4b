"""What a deployment says before it begins, and how it ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from organization.screen import Part, Screen

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

NOT_DEPLOYED = 1
"""The exit code if nothing was deployed, or if the deployment failed."""

_LONGEST_SHOWN = 80
"""Characters of a parameter's value that the plan shows: a list of accounts can be very long."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something that the operator has to do next, with the commands for it."""

    what: str
    commands: tuple[str, ...] = ()


def show(
    before: "StackTypeDef | None", where: Iterable[Part], parameters: Mapping[str, str], notes: Iterable[str], screen: Screen
) -> None:
    """Say what will be deployed; `where` ends the sentence that begins so, and `notes` say what that means."""
    screen.say()
    screen.say((f"This {'updates' if before else 'makes'}", "bold"), " the stack ", *where)
    for name, value in parameters.items():
        shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}... ({len(value)} characters)"
        screen.say(f"{name}={shown}", indent=2)
    for note in notes:
        screen.say(note)


def say_failed(code: int, screen: Screen) -> None:
    """Say that the SAM CLI failed."""
    screen.say((f"The deployment failed: sam deploy ended with exit code {code}.", "red"), " See above for the reason.")


def end(
    code: int, before: "StackTypeDef | None", after: "StackTypeDef | None", stack_name: str, screen: Screen
) -> tuple[int, bool]:
    """Say how a deployment ended; return the exit code, and whether the stack has changed."""
    screen.say()
    if code != 0:
        say_failed(code, screen)
        return NOT_DEPLOYED, False
    if after is None:
        screen.say("Not confirmed: nothing was deployed.")
        return NOT_DEPLOYED, False
    if before and _changed(before) == _changed(after):
        screen.say(f"The stack {stack_name} is as it was: there was nothing to change, or you did not confirm the change.")
        return 0, False
    screen.say((f"The stack {stack_name} is deployed.", "bold"))
    return 0, True


def show_steps(steps: Iterable[NextStep], screen: Screen) -> None:
    """Print what to do next, step by step."""
    screen.say("What to do next:")
    for number, step in enumerate(steps, start=1):
        screen.say(f"{number}. {step.what}", indent=2)
        for command in step.commands:
            screen.say(command, indent=5, whole=True)


def _changed(stack: "StackTypeDef") -> object:
    return stack.get("LastUpdatedTime") or stack.get("CreationTime")
