"""A ledger whose store answers from a replica that has not yet what was written: the claim waits, and is nobody else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from storage.client import Address, StoreClient
from storage.ledger import Claim, Ledger
from streams.records import FatalError, RetryError
from tests.storage.support import StoreProcess

pytestmark = pytest.mark.store


class LateReplica(StoreClient):
    """Takes everything, and shows nothing of it for the first ``late`` questions."""

    def __init__(self, address: Address, late: int) -> None:
        super().__init__(address)
        self.late = late

    def execute(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, settings: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        rows = super().execute(sql, parameters, settings=settings)
        if self.late and sql.startswith("SELECT"):
            self.late -= 1
            return []
        return rows


@pytest.fixture
def client(store: StoreProcess) -> Iterator[LateReplica]:
    made = LateReplica(Address.parse(store.url), late=2)
    yield made
    made.close()


def test_a_claim_that_is_not_shown_yet_waits_and_is_made_once(client: LateReplica) -> None:
    log_id = uuid.uuid4().hex
    ledger, claim = Ledger(client, log_id, "mine"), Claim("t", 0, 0, 9)
    for _ in range(2):
        with pytest.raises(RetryError, match="must name one server"):
            ledger.claim([claim], "1")
    ledger.claim([claim], "1")
    assert client.execute("SELECT count() FROM live.sink_ledger WHERE log_id = %(log)s", {"log": log_id}) == [(1,)]
    with pytest.raises(FatalError, match="another sink has claimed from offset 0"):
        Ledger(client, log_id, "other").claim([Claim("t", 0, 0, 5)], "1")
