"""Reading commits: an answer that is not whole is never taken for "nothing committed"."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from aiokafka.errors import (
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
)

from streams.commits import Committed, group_commits, read
from streams.kafka import Cluster
from streams.records import RetryError


class Response(NamedTuple):
    topics: list[tuple[str, list[tuple[int, int, str | None, int]]]]
    error_code: int = 0


PLACES = [("a", 0), ("a", 1)]


def test_commits_are_told_and_partitions_without_one_are_missing() -> None:
    response = Response([("a", [(0, 7, "ck:3", 0), (1, -1, "", 0)])])
    assert read(response, PLACES) == {("a", 0): Committed(7, "ck:3")}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response([], GroupLoadInProgressError.errno), GroupLoadInProgressError),
        (Response([], NotCoordinatorForGroupError.errno), NotCoordinatorForGroupError),
        (Response([]), NotCoordinatorForGroupError),
        (Response([("a", [(0, 7, "", 0)])]), NotCoordinatorForGroupError),
        (Response([("a", [(0, -1, "", GroupLoadInProgressError.errno), (1, 1, "", 0)])]), GroupLoadInProgressError),
        (Response([("a", [(0, -1, "", TopicAuthorizationFailedError.errno), (1, 1, "", 0)])]), TopicAuthorizationFailedError),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(response: Any, error: type[KafkaError]) -> None:
    with pytest.raises(error):
        read(response, PLACES)


def test_a_broker_that_is_away_is_said_so() -> None:
    with pytest.raises(RetryError, match="what group nobody has committed"):
        group_commits(Cluster("127.0.0.1:1"), "nobody", patience_s=0.5)
