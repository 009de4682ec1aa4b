"""The templates of StackSets: in the request or in S3, and what fails in every account."""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from local_aws.cloudformation.stack_sets.member_stacks import key_values
from local_aws.cloudformation.stack_sets.refusals import invalid, refuse
from local_aws.core import ministack_seams
from local_aws.core.models import AwsError

_LONGEST_BODY, _LONGEST_DOCUMENT = 51_200, 1_000_000
"""Bytes of a template in a request and in S3.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
_VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?", re.ASCII)


def read(params: dict[str, Any]) -> str | None:
    """Return the template in a request or in S3; None if there is none. AwsError: it is too long, or does not exist."""
    body: str | None = params.get("TemplateBody")
    if body is not None and len(body.encode()) > _LONGEST_BODY:
        refuse(f"TemplateBody may not exceed {_LONGEST_BODY} bytes in size.")
    if body is not None or "TemplateURL" not in params:
        return body
    url = urlsplit(params["TemplateURL"])
    virtual = _VIRTUAL_HOST.fullmatch(url.hostname or "")
    path = unquote(url.path).lstrip("/")
    bucket, _, key = f"{virtual['bucket']}/{path}".partition("/") if virtual else path.partition("/")
    document: bytes | None = ministack_seams.module("ministack.services.s3")._get_object_data(bucket, key)
    if document is None:
        refuse(f"S3 error: The specified key does not exist: {params['TemplateURL']}")
    if len(document) > _LONGEST_DOCUMENT:
        refuse(f"Template may not exceed {_LONGEST_DOCUMENT} bytes in size.")
    return document.decode()


def check(template: str, params: dict[str, Any]) -> None:
    """Refuse a template that fails in every account: it has a macro, or a capability or a parameter is missing."""
    engine = ministack_seams.module("ministack.services.cloudformation.engine")
    handlers = ministack_seams.module("ministack.services.cloudformation.handlers")
    try:
        parsed = engine._parse_template(template)
        engine._resolve_parameters(parsed, key_values(params.get("Parameters", []), "Parameter"))
    except Exception as error:  # whatever MiniStack or its YAML reader has against the template
        message = f"Template format error: {error}"
        raise invalid(message) from error
    if not parsed.get("Resources"):
        refuse("Template format error: At least one Resources member must be defined.")
    if handlers._uses_macro(parsed):
        refuse("Stack sets with service-managed permissions do not support macros or transforms in templates.")
    missing = handlers._missing_capabilities(set(params.get("Capabilities", [])), handlers._required_iam_capabilities(parsed))
    if missing:
        raise AwsError("InsufficientCapabilitiesException", handlers._insufficient_capabilities_message(missing))
