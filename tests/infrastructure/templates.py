"""The templates as the tests read them: short forms such as !Ref are long forms, and nothing is deployed."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load

PROJECT = Path(__file__).parents[2]
APPLICATION, ACCOUNT, FORWARDER, ROOT_CREDENTIALS = TEMPLATES = (
    "template.yaml",
    "account.yaml",
    "region-forwarder.yaml",
    "root-credentials.yaml",
)
PACK_FILE = PROJECT / "conformance_packs/root-virtual-mfa.yaml"
REMEDIATION_PACK_FILE = PROJECT / "conformance_packs/root-virtual-mfa-remediation.yaml"


@cache
def template(name: str) -> dict[str, Any]:
    # Through JSON, which turns cfn-lint's own classes into plain ones.
    document: dict[str, Any] = json.loads(json.dumps(load(str(PROJECT / name))))
    return document


def resources(name: str, resource_type: str) -> dict[str, Any]:
    """Return the resources of a type by their logical ids; there is one at least."""
    found = {key: value for key, value in template(name)["Resources"].items() if value["Type"] == resource_type}
    assert found, f"{name} has no {resource_type}"
    return found


def properties(name: str, logical_id: str) -> dict[str, Any]:
    found: dict[str, Any] = template(name)["Resources"][logical_id]["Properties"]
    return found


def steps(name: str, runbook: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a runbook by their names."""
    return {step["name"]: step for step in properties(name, runbook)["Content"]["mainSteps"]}


def nodes(value: Any) -> Iterator[Any]:  # noqa: ANN401 - anything that YAML can hold
    """Walk the value and all that is in it, keys included."""
    yield value
    children: list[Any] = []
    if isinstance(value, dict):
        children = [*value.keys(), *value.values()]
    elif isinstance(value, list):
        children = value
    for child in children:
        yield from nodes(child)


def resolved(name: str, value: Any, parameters: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - anything that YAML can hold
    """Put mappings in the place of Fn::FindInMap, parameters in that of Ref, texts in that of Fn::Join, as CloudFormation."""
    match value:
        case {"Fn::FindInMap": [mapping, first, second]}:
            return template(name)["Mappings"][mapping][first][second]
        case {"Fn::Join": [separator, parts]}:
            found = [resolved(name, part, parameters) for part in parts]
            return separator.join(found) if all(isinstance(part, str) for part in found) else {"Fn::Join": [separator, found]}
        case {"Ref": parameter} if parameters and parameter in parameters:
            return parameters[parameter]
        case dict():
            return {key: resolved(name, item, parameters) for key, item in value.items()}
        case list():
            return [resolved(name, item, parameters) for item in value]
    return value


def present(value: dict[str, Any]) -> Any:  # noqa: ANN401 - anything that YAML can hold
    """Return what a value is if its condition holds. Without the condition there is nothing."""
    if value.keys() == {"Fn::If"}:
        _, there, absent = value["Fn::If"]
        assert absent == {"Ref": "AWS::NoValue"}
        return there
    return value


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - IAM takes one or many
    return value if isinstance(value, list) else [value]
