"""IAM: users, groups, roles and policies. MiniStack keeps them; here requests are checked, and lists come in pages.

Sources: API model, iam, with its paginators; API reference of each operation.  A caller who names no user means itself, and a
session of a role means nobody (API reference, for example GetUser; the words are AWS's as users quote them).  A name of an
inline policy means the policy with that name, ignoring case; the answer has the request's spelling (public captures of 2026).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.parsers import create_parser

from local_aws.core import callers, ministack_seams
from local_aws.core.models import LOADER, AwsError, service_model
from local_aws.core.operations import Operation, Operations
from local_aws.core.paging import Pages
from local_aws.iam.checks import Checks

_BY_ENTITY = tuple(
    name.format(kind)
    for kind in ("Role", "User", "Group")
    for name in (
        *("Create{}", "Get{}", "List{}s", "Delete{}", "Put{}Policy", "Get{}Policy", "Delete{}Policy", "List{}Policies"),
        *("Attach{}Policy", "Detach{}Policy", "ListAttached{}Policies"),
    )
)
_OTHERS = (
    *("UpdateRole", "UpdateAssumeRolePolicy", "CreateServiceLinkedRole", "DeleteServiceLinkedRole"),
    "GetServiceLinkedRoleDeletionStatus",
    *(f"{verb}{kind}PermissionsBoundary" for verb in ("Put", "Delete") for kind in ("Role", "User")),
    *(f"{verb}{kind}" for verb in ("Tag", "Untag") for kind in ("Role", "User", "Policy")),
    *(f"List{kind}Tags" for kind in ("Role", "User", "Policy")),
    *("AddUserToGroup", "RemoveUserFromGroup", "ListGroupsForUser"),
    *(f"{verb}InstanceProfile" for verb in ("Create", "Get", "Delete")),
    *("ListInstanceProfiles", "ListInstanceProfilesForRole", "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"),
    *("CreatePolicy", "GetPolicy", "DeletePolicy", "ListPolicies", "ListEntitiesForPolicy"),
    *("CreatePolicyVersion", "GetPolicyVersion", "DeletePolicyVersion", "ListPolicyVersions"),
    *("CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed"),
    *("CreateLoginProfile", "GetLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"),
    *("CreateVirtualMFADevice", "EnableMFADevice", "DeactivateMFADevice", "ListMFADevices", "DeleteVirtualMFADevice"),
    *("CreateAccountAlias", "ListAccountAliases", "DeleteAccountAlias"),
    *("UpdateAccountPasswordPolicy", "GetAccountPasswordPolicy", "DeleteAccountPasswordPolicy"),
)
OPERATIONS = (*_BY_ENTITY, *_OTHERS)
"""What MiniStack answers behind these checks."""

_OWN = {
    *("GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey", "ListMFADevices"),
    *("CreateLoginProfile", "GetLoginProfile", "DeleteLoginProfile", "DeactivateMFADevice"),
}
"""The operations in which a user may leave its own name out."""
_NOT_LISTED = {"ListRoles", "ListUsers", "ListPolicies"}
"""A list leaves out tags and permissions boundaries (API reference, for example ListRoles)."""
_DEFAULT_PAGE = 100
"""Source: API model, iam, for example ListRolesRequest.MaxItems."""
_UNESCAPED = re.compile(rb"&(?!\w+;|#)|<(?![/?a-zA-Z])")
"""What MiniStack forgets to escape in descriptions."""
_PAGES = Pages("ValidationError", "Invalid Marker.", "Marker", takes_empty=False)


class Entities:
    """The operations of IAM about what MiniStack keeps."""

    def __init__(self, checks: Checks, first: Operations) -> None:
        """Refuse what `checks` refuses. `first` may answer an operation; if it returns None, MiniStack does."""
        self._checks = checks
        self._iam = ministack_seams.module("ministack.services.iam")
        self._model = service_model("iam")
        self._parser = create_parser("query")
        paginators = LOADER.load_service_model("iam", "paginators-1")["pagination"]
        self._listed: dict[str, list[str]] = {
            name: keys if isinstance(keys := paginator["result_key"], list) else [keys]
            for name, paginator in paginators.items()
        }
        self.operations: Operations = {
            **first,
            **{operation: self._answering(operation, first.get(operation)) for operation in OPERATIONS},
        }

    def _answering(self, operation: str, first: Operation | None) -> Operation:
        def answer(account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
            if first and (found := first(account_id, params)) is not None:
                return found
            if operation in _OWN and "UserName" not in params:
                params["UserName"] = _own_name()
            asked = params.get("PolicyName")
            self._checks.check(operation, params)
            self._find_inline_policy(operation, params)
            result = self._ministack(operation, params)
            if result is None:
                return None
            if operation in _NOT_LISTED:
                for entry in result[self._listed[operation][0]]:
                    entry.pop("Tags", None)
                    entry.pop("PermissionsBoundary", None)
            if operation.startswith("Get") and asked is not None:
                result["PolicyName"] = asked
            if operation == "ListPolicies" and params.get("OnlyAttached"):
                result["Policies"] = [each for each in result["Policies"] if _is_used(each, params.get("PolicyUsageFilter"))]
            return self._page(operation, result, params)

        return answer

    def _find_inline_policy(self, operation: str, params: dict[str, Any]) -> None:
        """Give the name of an inline policy the case in which it is stored."""
        kind = next((kind for kind in ("Role", "User", "Group") if operation.endswith(f"{kind}Policy")), None)
        if kind and "PolicyName" in params:
            stored = self._checks.inline_policies(kind, params[f"{kind}Name"])
            asked = params["PolicyName"].lower()
            params["PolicyName"] = next((name for name in stored if name.lower() == asked), params["PolicyName"])

    def _ministack(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Let MiniStack carry an operation out; None if it refuses, which it then does again in its own words."""
        status, headers, body = self._iam._IAM_HANDLERS[operation](dict(_query(params)))
        if status >= 400:  # noqa: PLR2004 - HTTP: an error
            return None
        shape = self._model.operation_model(operation).output_shape
        if shape is None:
            return {}
        whole = {"status_code": status, "headers": headers, "body": _UNESCAPED.sub(_escape, body)}
        answer: dict[str, Any] = self._parser.parse(whole, shape)
        answer.pop("ResponseMetadata", None)
        return answer

    def _page(self, operation: str, result: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Return the page of a list that a request asks for; anything else stays as it is."""
        keys = self._listed.get(operation)
        if keys is None:
            return result
        entries = [(key, entry) for key in keys for entry in result.get(key, [])]
        selected = {name: value for name, value in params.items() if name not in {"MaxItems", "Marker"}}
        page, marker = _PAGES.page(entries, params, _DEFAULT_PAGE, of=f"{callers.account_id()} {operation} {selected}")
        listed = {key: [entry for of, entry in page if of == key] for key in keys}
        return {**result, **listed, "IsTruncated": bool(marker), **marker}


def _escape(found: re.Match[bytes]) -> bytes:
    return b"&amp;" if found[0] == b"&" else b"&lt;"


def _own_name() -> str:
    """Return the name of the user that calls. Raises AwsError if the caller is no user."""
    kind, _, name = callers.principal().partition(":user/")
    if not kind or not name:
        message = "Must specify userName when calling with non-User credentials"
        raise AwsError("ValidationError", message)
    return name.rpartition("/")[2]


def _is_used(policy: Mapping[str, Any], usage: str | None) -> bool:
    """Tell whether a policy is attached or a boundary. A usage counts with OnlyAttached only (public captures of 2026)."""
    attached, boundary = bool(policy["AttachmentCount"]), bool(policy["PermissionsBoundaryUsageCount"])
    return {"PermissionsPolicy": attached, "PermissionsBoundary": boundary}.get(usage or "", attached or boundary)


def _query(value: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:  # noqa: ANN401 - a request's parameters
    """Yield the parameters of the query protocol, each with a list of one value."""
    match value:
        case dict():
            for name, member in value.items():
                yield from _query(member, f"{path}.{name}".removeprefix("."))
        case list():
            for number, item in enumerate(value, 1):
                yield from _query(item, f"{path}.member.{number}")
        case bool():
            yield path, [str(value).lower()]
        case _:
            yield path, [str(value)]
