from __future__ import annotations

import pytest

from storage.server.failure import StoreFailure
from storage.server.guard import Guard

TREE = """SelectWithUnionQuery (children 1)
  Identifier topic
  Identifier last
  Identifier first
   TableIdentifier live.mood"""


class Databases:
    """What databases there are, and how often that was asked."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)
        self.asked = 0

    def __call__(self) -> frozenset[str]:
        self.asked += 1
        return self.names


def test_databases_are_asked_once_however_many_names_a_statement_has() -> None:
    databases = Databases("live", "default", "system")
    Guard(frozenset(), databases)._check_names(TREE, read_only=True)
    assert databases.asked == 1


def test_a_name_of_another_database_is_refused_wherever_it_stands() -> None:
    databases = Databases("live", "default")
    for name in ("default.secrets", "Default.secrets", "default"):
        with pytest.raises(StoreFailure, match=f"{name}: only the databases live"):
            Guard(frozenset(), databases)._check_names(f"{TREE}\n TableIdentifier {name}", read_only=False)


def test_own_names_ask_nothing() -> None:
    databases = Databases("live")
    Guard(frozenset(), databases)._check_names("SelectQuery\n TableIdentifier live.mood", read_only=True)
    assert databases.asked == 0
