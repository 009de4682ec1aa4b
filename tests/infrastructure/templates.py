"""The templates as the tests read them: short forms such as !Ref are long forms, and nothing is deployed."""

import json
import re
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


class Deployment:
    """A template with values for its parameters, filled in as CloudFormation does it. Other parameters have their defaults."""

    def __init__(self, name: str, *, region: str = "us-east-1", **parameters: str) -> None:
        self._template = template(name)
        defaults = {key: str(definition.get("Default", "")) for key, definition in self._template["Parameters"].items()}
        assert parameters.keys() <= defaults.keys()
        self._lists = {
            key for key, definition in self._template["Parameters"].items() if definition["Type"] == "CommaDelimitedList"
        }
        pseudo = {"AWS::AccountId": "111122223333", "AWS::Partition": "aws", "AWS::Region": region}
        self._values = {**pseudo, "AWS::StackName": "root-virtual-mfa", **defaults, **parameters}

    def has(self, logical_id: str) -> bool:
        """Tell whether a resource is made."""
        condition = self._template["Resources"][logical_id].get("Condition")
        return condition is None or self._holds({"Condition": condition})

    def refusals(self) -> list[str]:
        """Return what CloudFormation says about the template rules that the parameters break."""
        return [
            assertion["AssertDescription"]
            for rule in self._template["Rules"].values()
            if self._holds(rule.get("RuleCondition", {"Fn::And": []}))
            for assertion in rule["Assertions"]
            if not self._holds(assertion["Assert"])
        ]

    def properties(self, logical_id: str) -> Any:  # noqa: ANN401 - anything that YAML can hold
        assert self.has(logical_id)
        return self.fill_in(self._template["Resources"][logical_id]["Properties"])

    def fill_in(self, value: Any) -> Any:  # noqa: ANN401 - anything that YAML can hold
        """Put values in the place of intrinsic functions, and leave out what is AWS::NoValue."""
        match value:
            case {"Ref": name}:
                text = None if name == "AWS::NoValue" else self._values.get(name, f"{name}.Ref")
                return text.split(",") if text is not None and name in self._lists else text
            case dict() if str(next(iter(value), "")).startswith("Fn::"):
                [(function, argument)] = value.items()
                return self._called(function, argument)
            case dict():
                filled = {key: self.fill_in(item) for key, item in value.items()}
                return {key: item for key, item in filled.items() if item is not None}
            case list():
                return [item for item in map(self.fill_in, value) if item is not None]
        return value

    def _called(self, function: str, argument: Any) -> Any:  # noqa: ANN401, PLR0911 - anything; a return for each function
        match function, argument:
            case "Fn::FindInMap", [mapping, first, second]:
                return self._template["Mappings"][mapping][first][second]
            case "Fn::GetAtt", [logical_id, attribute]:
                return f"{logical_id}.{attribute}"
            case "Fn::If", [condition, there, otherwise]:
                return self.fill_in(there if self._holds({"Condition": condition}) else otherwise)
            case "Fn::Sub", [text, variables]:
                return self._substituted(text, self.fill_in(variables))
            case "Fn::Sub", text:
                return self._substituted(text, {})
            case "Fn::Join", [separator, parts]:
                return separator.join(self.fill_in(parts))
            case "Fn::Select", [index, items]:
                return self.fill_in(items)[int(index)]
            case "Fn::Split", [separator, text]:
                return self.fill_in(text).split(separator)
        message = f"The tests do not fill in {function}."
        raise AssertionError(message)

    def _substituted(self, text: str, variables: Mapping[str, str]) -> str:
        values = {**self._values, **variables}
        return re.sub(r"\$\{([\w:.]+)\}", lambda name: values.get(name[1], name[1]), text)

    def _holds(self, condition: Any) -> bool:  # noqa: ANN401 - anything that YAML can hold
        match condition:
            case {"Condition": name}:
                return self._holds(self._template["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return bool(self.fill_in(one) == self.fill_in(other))
            case {"Fn::Not": [other]}:
                return not self._holds(other)
            case {"Fn::And": conditions}:
                return all(map(self._holds, conditions))
            case {"Fn::Or": conditions}:
                return any(map(self._holds, conditions))
            case {"Fn::EachMemberEquals": [items, value]}:
                return all(item == value for item in self.fill_in(items))
        message = f"No condition: {condition}"
        raise AssertionError(message)


def present(value: dict[str, Any]) -> Any:  # noqa: ANN401 - anything that YAML can hold
    """Return what a value is if its condition holds. Without the condition there is nothing."""
    if value.keys() == {"Fn::If"}:
        _, there, absent = value["Fn::If"]
        assert absent == {"Ref": "AWS::NoValue"}
        return there
    return value


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - IAM takes one or many
    return value if isinstance(value, list) else [value]
