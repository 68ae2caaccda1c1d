"""The store's process asks itself whether the store answers, and says so when it no longer does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from threading import Event, Thread

import pytest

from livetide.processes.store import STALL_S, ask
from storage.client import Address, StoreClient
from streams.records import LivetideError
from streams.subscriber_pulse import Pulse
from tests.storage.support import StoreProcess

pytestmark = pytest.mark.store


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_store_that_hangs_is_not_alive(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = StoreProcess(tmp_path_factory.mktemp("store"))
    store.start()
    asked, at = [0], [0.0]

    def question() -> str | None:
        asked[0] += 1
        client = StoreClient(Address.parse(store.url), timeout=0.5)
        try:
            client.execute("SELECT 1")
        except LivetideError as error:
            return str(error)
        finally:
            client.close()
        return None

    def asked_twice() -> None:
        seen = asked[0]
        until(lambda: asked[0] > seen + 1)

    stop, pulse = Event(), Pulse("store", lambda: at[0], STALL_S)
    thread = Thread(target=ask, args=(question, pulse, stop, 0.01))
    thread.start()
    try:
        asked_twice()
        at[0] += STALL_S + 1
        until(lambda: pulse.alive() is None)
        os.kill(store.pid, signal.SIGSTOP)
        asked_twice()
        assert pulse.alive() is None, "late is not hung"
        at[0] += STALL_S + 1
        asked_twice()
        assert "store: an answer to SELECT 1 has not come back" in str(pulse.alive())
        os.kill(store.pid, signal.SIGCONT)
        until(lambda: pulse.alive() is None)
    finally:
        os.kill(store.pid, signal.SIGCONT)
        stop.set()
        thread.join(10)
        store.stop()
