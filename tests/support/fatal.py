"""A Kafka client that has ended, as after an answer that idempotence cannot survive: librdkafka's own means of testing that."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import confluent_kafka

OUT_OF_ORDER = 45


def end_client(client: Any) -> None:
    """Let a client of confluent-kafka end by a fatal error. Its handle follows the head of the Python object."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka-*"))))
    handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__)
    library.rd_kafka_test_fatal_error.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    assert library.rd_kafka_test_fatal_error(handle, OUT_OF_ORDER, b"the test says so") == 0
