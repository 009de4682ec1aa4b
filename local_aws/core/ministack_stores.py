"""Let MiniStack's stores find one account's entries without looking at all the others.

MiniStack keeps the resources of all accounts in one dictionary for each kind, and goes through the whole of it for each list.
In an organization of 10,000 accounts that would take most of the time.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.core import ministack_seams

_RESPONSES = "ministack.core.responses"
_MISSING = object()


class ByAccount(dict[Any, Any]):
    """A dictionary whose keys begin with an account id, and which knows the keys of each account, in the order of insertion."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._keys: dict[str, dict[Any, None]] = {}

    def of(self, account_id: str) -> list[Any]:
        """Return the keys of an account."""
        return list(self._keys.get(account_id, ()))

    def note(self, key: Any) -> None:  # noqa: ANN401 - anything, as in a dictionary
        """Take a key into the index."""
        self._keys.setdefault(key[0], {})[key] = None

    # Threads use a store at the same time. So each change is one operation of the dictionary, and a key leaves the index first.

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401 - anything
        super().__setitem__(key, value)
        self.note(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 - anything
        """Insert a key if it is missing."""
        value = super().setdefault(key, default)
        self.note(key)
        return value

    def __delitem__(self, key: Any) -> None:  # noqa: ANN401 - anything
        self._keys.get(key[0], {}).pop(key, None)
        super().__delitem__(key)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:  # noqa: ANN401 - anything
        """Remove a key."""
        self._keys.get(key[0], {}).pop(key, None)
        return super().pop(key) if default is _MISSING else super().pop(key, default)

    def update(self, other: Mapping[Any, Any]) -> None:  # type: ignore[override]  # MiniStack calls it in this way only
        """Insert the entries of another dictionary."""
        for key, value in other.items():
            self[key] = value

    def clear(self) -> None:
        """Remove everything."""
        super().clear()
        self._keys.clear()


def install() -> None:
    """Change every store that there is, and each that MiniStack makes later."""
    responses = ministack_seams.module(_RESPONSES)
    kinds = (responses.AccountScopedDict, responses.AccountRegionScopedDict)
    for kind in kinds:
        for name, method in _methods(responses.get_account_id).items():
            setattr(kind, name, method)
    for name, module in list(sys.modules.items()):
        if name.startswith("ministack."):
            for store in [each for each in vars(module).values() if isinstance(each, kinds)]:
                keep_in(store, ByAccount())


def keep_in(store: Any, data: ByAccount) -> None:  # noqa: ANN401 - MiniStack has no types
    """Let a store keep its present and later entries in `data`."""
    data.update(store._data)
    store._data = data


def _methods(account_id: Callable[[], str]) -> dict[str, object]:
    """Return the methods that go through the calling account's entries; a store of a Region's resources also looks at that."""

    def items(store: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - MiniStack has no types
        data = store._data
        # Another thread may just have removed one.
        found = ((key, data.get(key, _MISSING)) for key in data.of(account_id()) if store._is_mine(key))
        return [(store._unscope(key), value) for key, value in found if value is not _MISSING]

    return {
        "__init__": lambda store: setattr(store, "_data", ByAccount()),
        "__len__": lambda store: len(items(store)),
        "__bool__": lambda store: bool(items(store)),
        "__iter__": lambda store: iter([key for key, _ in items(store)]),
        "keys": lambda store: [key for key, _ in items(store)],
        "values": lambda store: [value for _, value in items(store)],
        "items": items,
    }
