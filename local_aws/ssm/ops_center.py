"""OpsCenter: OpsItems, each in its account and Region.

Sources: API model, ssm (the documentation of CreateOpsItemRequest says what a source and a key may not be);
https://docs.aws.amazon.com/systems-manager/latest/userguide/OpsCenter-working-deduplication.html
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import TYPE_CHECKING, Any

from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_TYPE = "/aws/issue"
_DEDUP = "/aws/dedup"
_RESERVED = tuple(f"{slash}{name}" for slash in ("", "/") for name in ("amazon", "aws", "amzn", "ssm"))
_OWN_KEYS = (_DEDUP, "/aws/resources", "/aws/automations")
"""The reserved keys that a request may have."""
_LARGEST_VALUE = 20 * 1024
"""The most bytes of a value."""
_OPEN = ("Open", "InProgress")
_STATUSES = (*_OPEN, "Resolved")
"""The statuses of an OpsItem of type /aws/issue. The model's other ones belong to Change Manager."""
_PAGE = 50
_PAGES = Pages("ValidationException")
_MEMBERS = ("Description", "Title", "Priority", "Category", "Severity", "Notifications", "RelatedOpsItems")
"""The members that an OpsItem keeps as they are."""


@dataclass
class OpsItem:
    """An OpsItem. `members` are those of the API that the requests had."""

    ops_item_id: str
    scope: Scope
    source: str
    members: dict[str, Any]
    data: dict[str, dict[str, str]]
    created: datetime
    created_by: str
    modified: datetime
    modified_by: str
    status: str = "Open"
    version: int = 1

    @property
    def arn(self) -> str:
        """The OpsItem's ARN."""
        account_id, region = self.scope
        return f"arn:aws:ssm:{region}:{account_id}:opsitem/{self.ops_item_id}"

    @property
    def dedup_string(self) -> str | None:
        """The deduplication string, which no other open OpsItem has."""
        return _dedup_string(self.data)

    @property
    def summary(self) -> dict[str, Any]:
        """The answer of DescribeOpsItems, with the searchable part of the operational data."""
        kept = {name: value for name, value in self.members.items() if name in {"Title", "Priority", "Category", "Severity"}}
        return {
            **kept,
            "OpsItemId": self.ops_item_id,
            "OpsItemType": _TYPE,
            "Source": self.source,
            "Status": self.status,
            "CreatedTime": self.created,
            "CreatedBy": self.created_by,
            "LastModifiedTime": self.modified,
            "LastModifiedBy": self.modified_by,
            "OperationalData": {key: dict(value) for key, value in self.data.items() if value["Type"] == "SearchableString"},
        }


class OpsCenter:
    """The OpsItems of every account and Region."""

    def __init__(self, clock: Clock) -> None:
        """Start without OpsItems."""
        self._clock = clock
        self._items: dict[Scope, dict[str, OpsItem]] = {}
        self._lock = RLock()
        self.operations: Operations = {
            "CreateOpsItem": self.create_ops_item,
            "GetOpsItem": self.get_ops_item,
            "UpdateOpsItem": self.update_ops_item,
            "DescribeOpsItems": self.describe_ops_items,
        }

    def create_ops_item(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create an OpsItem, unless an open one has the same deduplication string."""
        not_emulated = {"Tags", "AccountId", "ActualStartTime", "ActualEndTime", "PlannedStartTime", "PlannedEndTime"}
        _refuse_not_emulated(params, not_emulated)
        if params.get("OpsItemType", _TYPE) != _TYPE:
            raise _invalid("OpsItemType", f"The local AWS emulates OpsItems of type {_TYPE} only.")
        if any(name in params["Source"].lower() for name in ("aws", "amazon", "amzn")):
            raise _invalid("Source", f"The source {params['Source']} contains aws, amazon or amzn.")
        data = _read_data(params.get("OperationalData", {}))
        now, caller = self._clock.now(), callers.principal()
        scope = callers.scope(account_id)
        with self._lock:
            items = self._items.setdefault(scope, {})
            self._refuse_duplicate(items, _dedup_string(data))
            item = OpsItem(
                f"oi-{secrets.token_hex(6)}",
                scope,
                params["Source"],
                {name: params[name] for name in _MEMBERS if name in params},
                data,
                now,
                caller,
                now,
                caller,
            )
            items[item.ops_item_id] = item
        return {"OpsItemId": item.ops_item_id, "OpsItemArn": item.arn}

    def get_ops_item(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return an OpsItem with all its members."""
        item = self._get(account_id, params)
        described = {
            **item.summary,
            **item.members,
            "OpsItemArn": item.arn,
            "OperationalData": {key: dict(value) for key, value in item.data.items()},
            "Version": str(item.version),
        }
        return {"OpsItem": described}

    def update_ops_item(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Change an OpsItem. Its deduplication string stays."""
        _refuse_not_emulated(params, {"ActualStartTime", "ActualEndTime", "PlannedStartTime", "PlannedEndTime"})
        status = params.get("Status")
        if status not in {None, *_STATUSES}:
            raise _invalid("Status", f"An OpsItem of type {_TYPE} is {', '.join(_STATUSES)}, and not {status}.")
        changed, deleted = _read_data(params.get("OperationalData", {})), params.get("OperationalDataToDelete", [])
        with self._lock:
            item = self._get(account_id, params)
            if _DEDUP in deleted or changed.get(_DEDUP, item.data.get(_DEDUP)) != item.data.get(_DEDUP):
                raise _invalid("OperationalData", f"{_DEDUP} of an OpsItem can not be changed.")
            if status in _OPEN and item.status not in _OPEN:
                self._refuse_duplicate(self._items[item.scope], item.dedup_string)
            item.data = {key: value for key, value in (item.data | changed).items() if key not in deleted}
            item.members |= {name: params[name] for name in _MEMBERS if name in params}
            item.status = status or item.status
            item.modified, item.modified_by = self._clock.now(), callers.principal()
            item.version += 1
        return {}

    def describe_ops_items(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe the OpsItems that pass all filters, the newest first."""
        passes = [_filter(given) for given in params.get("OpsItemFilters", [])]
        items = reversed(self._items.get(callers.scope(account_id), {}).values())
        found = [item for item in items if all(each(item) for each in passes)]
        page, token = _PAGES.page(found, params, _PAGE)
        return {"OpsItemSummaries": [item.summary for item in page], **token}

    @staticmethod
    def _refuse_duplicate(items: Mapping[str, OpsItem], dedup_string: str | None) -> None:
        for item in items.values():
            if dedup_string is not None and item.dedup_string == dedup_string and item.status in _OPEN:
                message = f"An OpsItem with the same deduplication string is {item.status}: {item.ops_item_id}"
                raise AwsError("OpsItemAlreadyExistsException", message, members={"OpsItemId": item.ops_item_id})

    def _get(self, account_id: str, params: Mapping[str, Any]) -> OpsItem:
        ops_item_id = params["OpsItemId"]
        item = self._items.get(callers.scope(account_id), {}).get(ops_item_id)
        if item is None or params.get("OpsItemArn", item.arn) != item.arn:
            message = f"OpsItem {ops_item_id} does not exist."
            raise AwsError("OpsItemNotFoundException", message)
        return item


def _invalid(name: str, message: str) -> AwsError:
    return AwsError("OpsItemInvalidParameterException", message, members={"ParameterNames": [name]})


def _refuse_not_emulated(params: Mapping[str, Any], names: set[str]) -> None:
    for name in sorted(names.intersection(params)):
        raise _invalid(name, f"The local AWS does not emulate {name} of an OpsItem.")


def _read_data(given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Read operational data. Values are searchable unless they say otherwise. Raises AwsError."""
    data = {key: {"Type": "SearchableString", **value} for key, value in given.items()}
    for key, value in data.items():
        if key.lower().startswith(_RESERVED) and key not in _OWN_KEYS:
            raise _invalid(
                "OperationalData", f"The key {key} begins with amazon, aws, amzn or ssm, or with a slash and one of these."
            )
        size = len(value.get("Value", "").encode())
        if not 0 < size <= _LARGEST_VALUE:
            raise _invalid("OperationalData", f"The value of {key} has {size} bytes: it has 1 to {_LARGEST_VALUE}.")
    if _DEDUP in data and not _dedup_string(data):
        raise _invalid("OperationalData", f'The value of {_DEDUP} is no {{"dedupString": "…"}}: {data[_DEDUP]["Value"]}')
    return data


def _dedup_string(data: Mapping[str, Mapping[str, str]]) -> str | None:
    try:
        value = json.loads(data[_DEDUP]["Value"])
    except (KeyError, ValueError):
        return None
    found = value.get("dedupString") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


# Filters

_Values = Callable[[OpsItem], list[str]]
_FILTERS: Mapping[str, tuple[_Values, Sequence[str]]] = {
    "Status": (lambda item: [item.status], ["Equal"]),
    "Source": (lambda item: [item.source], ["Equal", "Contains"]),
    "Title": (lambda item: [item.members["Title"]], ["Equal", "Contains"]),
    "OpsItemId": (lambda item: [item.ops_item_id], ["Equal"]),
    "OpsItemType": (lambda _: [_TYPE], ["Equal"]),
    "Severity": (lambda item: [item.members.get("Severity", "")], ["Equal"]),
    "Category": (lambda item: [item.members.get("Category", "")], ["Equal"]),
    "Priority": (lambda item: [str(item.members.get("Priority", ""))], ["Equal"]),
    "CreatedBy": (lambda item: [item.created_by], ["Equal", "Contains"]),
    "LastModifiedBy": (lambda item: [item.modified_by], ["Equal", "Contains"]),
    "OperationalDataKey": (lambda item: list(item.summary["OperationalData"]), ["Equal"]),
    "OperationalDataValue": (
        lambda item: [value["Value"] for value in item.summary["OperationalData"].values()],
        ["Equal", "Contains"],
    ),
}
_TIMES: Mapping[str, Callable[[OpsItem], datetime]] = {
    "CreatedTime": lambda item: item.created,
    "LastModifiedTime": lambda item: item.modified,
}
_DATA = "OperationalData"
"""The filter whose values are {"key": …, "value": …}."""


def _filter(given: Mapping[str, Any]) -> Callable[[OpsItem], bool]:
    """Return the test that an OpsItem passes if it has one of a filter's values. Raises AwsError.

    Source: API model, DescribeOpsItemsRequest.OpsItemFilters, which has the operators of most keys.
    """
    key, operator, values = given["Key"], given["Operator"], given["Values"]
    operators = ["GreaterThan", "LessThan"] if key in _TIMES else ["Equal"] if key == _DATA else _FILTERS.get(key, ("", []))[1]
    if operator not in operators:
        message = f"The local AWS does not know the filter {key} {operator}."
        raise AwsError("ValidationException", message)
    try:
        if key in _TIMES:
            times = [datetime.fromisoformat(value) for value in values]
            later = operator == "GreaterThan"
            return lambda item: any(_TIMES[key](item) > time if later else _TIMES[key](item) < time for time in times)
        if key == _DATA:
            pairs = [(pair["key"], pair["value"]) for pair in map(json.loads, values)]
            return lambda item: any(item.summary[_DATA].get(name, {}).get("Value") == value for name, value in pairs)
    except (ValueError, TypeError, KeyError) as error:
        message = f"The values of the filter {key} can not be read: {values}"
        raise AwsError("ValidationException", message) from error
    found = _FILTERS[key][0]
    if operator == "Contains":
        return lambda item: any(value in has for value in values for has in found(item))
    return lambda item: any(value in found(item) for value in values)
