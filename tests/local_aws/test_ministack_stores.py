"""MiniStack's stores: an account finds its own and nothing else, whatever was done to the store before."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.core.ministack_stores import ByAccount

KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"))
"""An account and a name."""
CHANGES: dict[str, Callable[[dict[tuple[str, str], int], tuple[str, str], int], object]] = {
    "set": lambda store, key, value: store.__setitem__(key, value),
    "delete": lambda store, key, _: store.__delitem__(key) if key in store else None,
    "pop": lambda store, key, value: store.pop(key, value),
    "set default": lambda store, key, value: store.setdefault(key, value),
    "update": lambda store, key, value: store.update({key: value}),
    "clear": lambda store, *_: store.clear(),
}


@given(st.lists(st.tuples(st.sampled_from(list(CHANGES)), KEYS, st.integers())))
def test_it_is_a_dictionary_that_knows_the_keys_of_each_account(changes: list[tuple[str, tuple[str, str], int]]) -> None:
    store = ByAccount()
    plain: dict[tuple[str, str], int] = {}
    for name, key, value in changes:
        said, expected = (CHANGES[name](each, key, value) for each in (store, plain))
        assert said == expected
        assert list(store.items()) == list(plain.items())
        for account in "ab":
            assert store.of(account) == [each for each in plain if each[0] == account]


def test_pop_without_a_default_raises_what_a_dictionary_raises() -> None:
    store = ByAccount()
    store["a", "x"] = 1
    assert store.pop(("a", "x")) == 1
    with pytest.raises(KeyError):
        store.pop(("a", "x"))
    assert store.of("a") == []
