"""A command of our own acts on the stack and in the Region that it was printed for, whatever they are called."""

import inspect
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from organization import cli, commands
from organization.deployment import STACK_NAME, Deployment

DEPLOYMENT = Deployment(STACK_NAME, "UPDATE_COMPLETE", "111111111111", "eu-central-1", "aws", organization_id="o-a1b2c3d4e5")
BUILDERS = [
    each
    for name, each in inspect.getmembers(commands, inspect.isfunction)
    if each.__module__ == commands.__name__ and not name.startswith("_") and each is not commands.given_region
]
OWN = {
    "delete",
    "delete_management_account",
    "deploy",
    "deploy_management_account",
    "deploy_with_rollback",
    "preflight",
    "put_pack_again",
    "report",
    "verify",
}
"""What builds commands that take --stack-name."""


def built(builder: Callable[..., Any], stack_name: str) -> Iterator[list[str]]:
    """Yield the words of each command of our own that a function builds for a stack, without the program's name."""
    for remediation in ("Off", "Automatic"):
        given: dict[str, Any] = {"stack_name": stack_name}
        given["deployment"] = replace(DEPLOYMENT, stack_name=stack_name, remediation=remediation, pack_parameters={})
        needed = [
            each
            for each in inspect.signature(builder).parameters.values()
            if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
        ]
        made = builder(*(given.get(each.name, "x") for each in needed))
        for command in [made] if isinstance(made, str) else made:
            words = [shlex.split(each) for each in command.split("; ")]
            yield from (each[1:] for each in words if each[0] == commands.PROGRAM)


def takes(option: str, words: list[str]) -> bool:
    return any(option in each.opts for each in cli.command.commands[words[0]].params)


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_own_command_names_the_stack_unless_it_is_the_default(builder: Callable[..., Any]) -> None:
    named = [words for words in built(builder, "the other") if takes("--stack-name", words)]
    assert bool(named) is (builder.__name__ in OWN)
    for words in named:
        assert words[words.index("--stack-name") :][:2] == ["--stack-name", "the other"]
    assert not any("--stack-name" in words for words in built(builder, STACK_NAME))


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_own_command_has_the_region_that_the_operator_gave(builder: Callable[..., Any]) -> None:
    """One for other credentials has the deployment's Region in any case."""
    before = list(built(builder, STACK_NAME))
    with commands.given_region("eu north"):
        told = list(built(builder, STACK_NAME))
    assert bool(told) is (builder.__name__ in OWN)
    for words in told:
        assert takes("--region", words)
        [place] = [place for place, word in enumerate(words) if word == "--region"]
        assert words[place + 1] in {"eu north", "x"}
    assert [words for words in told if "x" in words] == [words for words in before if "--region" in words]
    assert list(built(builder, STACK_NAME)) == before, "the next one has none"
