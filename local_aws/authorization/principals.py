"""Principals: who makes a request, and which role, user or group of IAM a name means.

IAM names are unique, ignoring case and path (API reference, CreateRole), so a name means the role, user or group with that
name, ignoring case.
"""

import re
from typing import Any

from local_aws.core import callers, ministack_seams, ministack_stores
from local_aws.core.ministack_stores import ByAccount

SERVICE_LINKED = "/aws-service-role/"
"""The path of roles that belong to a service. Nobody else makes or changes one."""
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_ARN_PARTS = 6
_KINDS = ("role", "user", "group")


def access_key_id() -> str:
    """Return the access key id that signed the present request; an administrator signs with the account's id."""
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    return str(evaluator._verified_key.get() or callers.account_id())


def account_of(access_key_id: str) -> str | None:
    """Return the account that an access key is of, an administrator's, a user's or a session's; None: nobody has it."""
    if _ACCOUNT_ID.fullmatch(access_key_id):
        return access_key_id
    responses = ministack_seams.module("ministack.core.responses")
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    account_id: str | None = responses._account_from_sts_session(access_key_id)
    try:
        return account_id or evaluator.find_iam_access_key_account(access_key_id)
    except evaluator.AmbiguousAccessKeyError:
        return None


def is_service_linked(arn: str) -> bool:
    """Tell whether a principal is a session of a service-linked role."""
    account_id, resource = arn.split(":", _ARN_PARTS - 1)[4:]
    kind, _, rest = resource.partition("/")
    if kind != "assumed-role":
        return False
    role = ministack_seams.module("ministack.services.iam")._roles.get_scoped(account_id, None, rest.partition("/")[0])
    return role is not None and str(role.get("Path")).startswith(SERVICE_LINKED)


class _AnyCase(ByAccount):
    """MiniStack's roles, users or groups by account and name. It finds a name in any case without a look at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._in_any_case: dict[tuple[str, str], tuple[str, str]] = {}

    def find(self, account_id: str, name: str) -> dict[str, Any] | None:
        """Return the one that has the name in any case."""
        key = self._in_any_case.get((account_id, name.lower()))
        return None if key is None else self.get(key)

    def note(self, key: tuple[str, str]) -> None:
        """Take a key into the indexes."""
        self._in_any_case[key[0], key[1].lower()] = key
        super().note(key)


def find_names_in_any_case() -> None:
    """Let `entity` find MiniStack's roles, users and groups by their names in any case."""
    iam = ministack_seams.module("ministack.services.iam")
    for kind in _KINDS:
        ministack_stores.keep_in(getattr(iam, f"_{kind}s"), _AnyCase())


def entity(kind: str, account_id: str, name: str) -> dict[str, Any] | None:
    """Return MiniStack's record of a "role", "user" or "group" of an account, ignoring the case of its name."""
    store = getattr(ministack_seams.module("ministack.services.iam"), f"_{kind}s")
    exact: dict[str, Any] | None = store.get_scoped(account_id, None, name)
    found: dict[str, Any] | None = exact or store._data.find(account_id, name)
    return found


def entity_arn(kind: str, account_id: str, name: str, path: str = "/") -> str:
    """Return the ARN of a "role", "user" or "group" of an account; if none has the name, that of a new one at `path`."""
    known = entity(kind, account_id, name)
    return str(known["Arn"]) if known else f"arn:aws:iam::{account_id}:{kind}{path}{name}"


def role_arn(given: str) -> str:
    """Return the ARN of the role that a request means by an ARN, whose path and case may be wrong."""
    parts = given.split(":")
    if len(parts) != _ARN_PARTS or not parts[5].startswith("role/"):
        return given
    path, _, name = parts[5].removeprefix("role").rpartition("/")
    return entity_arn("role", parts[4], name, f"{path}/")
