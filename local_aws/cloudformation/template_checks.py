"""CloudFormation: what is wrong with a template as a whole, before anything is made of it. MiniStack finds the rest.

Live, as users quote it: "Unresolved resource dependencies" (serverless/serverless#4745), "Circular dependency between
resources" (aws/serverless-application-model#1044).  Guess: the other words, and which of several mistakes AWS names.
"""

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.models import AwsError

Template = Mapping[str, Any]
"""A template as MiniStack parses it: intrinsic functions have their long form."""

_SECTIONS = {
    *("AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings", "Metadata", "Outputs"),
    *("Parameters", "Resources", "Rules", "Transform"),
}
_OF_RESOURCE = {
    *("Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type"),
    *("UpdatePolicy", "UpdateReplacePolicy"),
}
_LONGEST_BODY = 51_200
"""Bytes of a template in a request; S3 may have a longer one.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
_SUBSTITUTED = re.compile(r"\$\{(?!!)\s*([^}.\s]+)[^}]*\}")


def check(params: Mapping[str, Any], *, with_parameters: bool) -> None:
    """Refuse a request without a template or with one that is too long, and an invalid template. Raises AwsError.

    `with_parameters`: the request gives the template's parameters, all of which the template has to have.
    """
    if not (params.get("TemplateBody") or params.get("TemplateURL") or params.get("UsePreviousTemplate")):
        message = "Either Template URL or Template Body must be specified."
        raise AwsError("ValidationError", message)
    if len(str(params.get("TemplateBody", "")).encode()) > _LONGEST_BODY:
        constraint = f"Member must have length less than or equal to {_LONGEST_BODY}"
        message = f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: {constraint}"
        raise AwsError("ValidationError", message)
    template = _template(params)
    if template is None:
        return
    for message in _problems(template, params if with_parameters else {}):
        raise AwsError("ValidationError", message)


def _template(params: Mapping[str, Any]) -> Template | None:
    """Return the template, None if MiniStack cannot read it, which then refuses it in its words."""
    given = {name: [params[name]] for name in ("TemplateBody", "TemplateURL") if params.get(name)}
    body, _ = ministack_seams.module("ministack.services.cloudformation.handlers")._resolve_template(given)
    if body is None:
        return None
    try:
        template = ministack_seams.module("ministack.services.cloudformation.engine")._parse_template(body)
    except Exception:  # noqa: BLE001 - whatever the parser raises: MiniStack refuses the template with its message
        return None
    return template if isinstance(template, Mapping) else None


def _problems(template: Template, params: Mapping[str, Any]) -> Iterator[str]:
    resources = template.get("Resources")
    if not resources or not isinstance(resources, Mapping):
        yield "Template format error: At least one Resources member must be defined."
        return
    if unknown := sorted(set(map(str, template)) - _SECTIONS):
        yield f"Invalid template property or properties [{', '.join(unknown)}]"
    parameters = template.get("Parameters") or {}
    given = [parameter.get("ParameterKey") for parameter in params.get("Parameters", ())]
    if missing := [name for name in given if name not in parameters]:
        yield f"Parameters: [{', '.join(missing)}] do not exist in the template"
    if not template.get("Transform"):  # a transform may make what is missing, or another form of resources
        yield from _problems_of_resources(template, resources)


def _problems_of_resources(template: Template, resources: Mapping[str, Any]) -> Iterator[str]:
    for name, resource in resources.items():
        if not isinstance(resource, Mapping) or not resource.get("Type"):
            yield f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            return
        if unknown := sorted(set(map(str, resource)) - _OF_RESOURCE):
            yield f"Invalid template resource property '{unknown[0]}'"
    named = {*resources, *(template.get("Parameters") or {})}
    for block in ("Resources", "Outputs"):
        names = {name for name in _names(template.get(block) or {}) if not name.startswith("AWS::")}
        if block == "Resources":
            names |= {name for resource in resources.values() for name in _depends_on(resource)}
        if missing := sorted(names - named):
            said = f"Unresolved resource dependencies [{', '.join(missing)}] in the {block} block of the template"
            yield f"Template format error: {said}"
    conditions = {str(resource["Condition"]) for resource in resources.values() if "Condition" in resource}
    if missing := sorted(conditions - set(template.get("Conditions") or {})):
        yield f"Template format error: Unresolved condition dependency {missing[0]} in the Resources block of the template"
    graph = {name: {*_names(resource), *_depends_on(resource)} & set(resources) for name, resource in resources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"Circular dependency between resources: [{', '.join(sorted(set(error.args[1])))}]"


def _depends_on(resource: Mapping[str, Any]) -> list[str]:
    given = resource.get("DependsOn", [])
    return [str(name) for name in (given if isinstance(given, list) else [given])]


def _names(value: object) -> Iterator[str]:
    """Yield the names of parameters and resources that Ref, Fn::GetAtt and Fn::Sub find below a value."""
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key == "Ref" and isinstance(item, str) and len(value) == 1:
            yield item
        elif key == "Fn::GetAtt" and isinstance(item, str | list):
            yield str(item.partition(".")[0] if isinstance(item, str) else item[0])
        elif key == "Fn::Sub":
            text, own = (item[0], item[1]) if isinstance(item, list) else (item, {})
            yield from (name for name in _SUBSTITUTED.findall(str(text)) if name not in own)
            yield from _names(own)
        else:
            yield from _names(item)
