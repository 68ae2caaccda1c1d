"""What a person is told about a variable that is wrong, or that nobody reads."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from livetide.settings import Settings
from livetide.variables import known, unknown, wrong

PORT = "a whole number from 1 to 65535"


def refusal(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    return wrong(caught.value)


@pytest.mark.parametrize(
    "url", ["hooks.example/x", "localhost:8999", "ftp://hooks.example", "http://", "http://[::1", "http://h:99999"]
)
def test_a_webhook_that_nothing_can_be_posted_to_is_told_and_not_shown(url: str) -> None:
    said = refusal(webhook_url=url)
    assert said.startswith("LIVETIDE_WEBHOOK_URL")
    assert "http://host/path or https://host/path" in said
    assert url not in said.replace("http://host/path or https://host/path", "")
    assert Settings(webhook_url="https://hooks.example:8443/x?y").webhook_url


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("workers", "0", "a whole number from 1 to 64"),
        ("workers", "two", "a whole number from 1 to 64"),
        ("kafka_port", "0", PORT),
        ("kafka_controller_port", "-1", PORT),
        ("store_port", "65536", PORT),
        ("store_http_port", "8123.5", PORT),
        ("gateway_port", "70000", PORT),
        ("console_port", "tcp://10.0.0.1:80", PORT),
        ("health_port", "65535", "a whole number from 1 to 65000"),
        ("partitions", "0", "a whole number, at least 1"),
        ("replication", "0", "a whole number, at least 1"),
        ("room_rate", "-5", "a whole number, at least 1"),
        ("segment_hours", "0", "a number above 0, at most 100000"),
        ("segment_hours", "nan", "a number above 0, at most 100000"),
        ("segment_hours", "inf", "a number above 0, at most 100000"),
        ("poison_limit", "1.5", "a number above 0, at most 1"),
        ("keep_names", "perhaps", "true or false"),
        ("log_level", "LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_the_variable_its_value_and_what_is_allowed_are_named(name: str, value: str, allowed: str) -> None:
    assert refusal(**{name: value}) == f"LIVETIDE_{name.upper()}={value!r}: it must be {allowed}"


def test_every_number_has_a_limit() -> None:
    numbers = [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]
    assert len(numbers) >= 12
    for name in numbers:
        assert f"LIVETIDE_{name.upper()}='-1'" in refusal(**{name: "-1"})


def test_several_are_told_at_once_and_a_long_value_is_cut() -> None:
    told = refusal(workers="0", room_rate="9" * 5000)
    assert told.count("; ") == 1
    assert len(told) < 250


def test_the_value_of_a_free_text_is_not_told() -> None:
    assert "hunter2" not in refusal(clickhouse=["hunter2"], webhook_secret=SecretStr("hunter2"))


def test_a_level_may_be_written_small() -> None:
    given: dict[str, Any] = {"log_level": "debug"}  # as the environment has it
    assert Settings(**given).log_level == "DEBUG"


def test_a_variable_that_nobody_reads_is_told_with_the_nearest() -> None:
    assert unknown(["LIVETIDE_WORKER", "HOME", "LIVETIDE_DATA", "livetide_host", "PATH"]) == [
        "LIVETIDE_WORKER is no setting and changes nothing: did you mean LIVETIDE_WORKERS?"
    ]
    assert "did you mean LIVETIDE_CLICKHOUSE?" in unknown(["LIVETIDE_CLICKHOUSE_URL"])[0]
    assert unknown(["LIVETIDE_QWERTZ"]) == [
        "LIVETIDE_QWERTZ is no setting and changes nothing: docs/reference/settings.md lists the settings"
    ]
    assert unknown(known()) == []
