"""A stack on an address of this machine that is not loopback: what listens there, and that all of it still finds each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from livetide import addresses
from livetide.stack.state import load
from streams.gateway.auth import bearer_key
from tests.e2e.running import listening
from tests.faults.stack.rig import Rig, until
from tests.livetide.test_addresses import own_address

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(params=["store on loopback", "store as the others"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    host = own_address()
    environment = {"LIVETIDE_HOST": host}
    if request.param == "store as the others":
        environment["LIVETIDE_STORE_HOST"] = host
    rig = Rig(tmp_path / "data", environment)
    try:
        rig.up()
        yield rig
    finally:
        rig.down()


def processes(rig: Rig) -> list[psutil.Process]:
    state = load(rig.data)
    assert state is not None
    supervisor = psutil.Process(state.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def test_each_server_listens_where_it_should_and_is_found_there(rig: Rig) -> None:
    settings, state = rig.here, load(rig.data)
    assert state is not None
    inner = {settings.kafka_port: "127.0.0.1", settings.kafka_controller_port: "127.0.0.1"}
    inner |= dict.fromkeys((settings.store_port, settings.store_http_port), settings.store_host)
    places = {port: address.removeprefix("::ffff:") for address, port in listening(processes(rig))}
    assert inner.items() <= places.items()
    assert {address for port, address in places.items() if port not in inner} == {settings.host}
    assert len(places) > len(inner) + 5

    room = "somewhere"
    key = {"authorization": f"Bearer {bearer_key(rig.secrets['master'], room)}"}
    event = {"kind": "chat", "id": "1", "ts": time.time_ns() // 1_000_000, "user": "u", "text": "多少钱"}
    with httpx.Client(trust_env=False, timeout=30) as client:
        told = client.post(f"{rig.gateway}/v1/rooms/{room}/events", headers=key, json={"events": [event]})
    assert (told.status_code, told.json()["accepted"]) == (202, 1), told.text

    def rows() -> str:
        return rig.command("query", f"SELECT count() FROM danmaku WHERE room_id = '{room}'", "-f", "TSV")

    until(lambda: rows() == "1\n", 60, lambda: f"{rows()} {rig.log('sink')[-1000:]}")
    report = rig.report()
    assert report["healthy"], report
    assert report["endpoints"]["console"] == addresses.console(settings)
    assert report["endpoints"]["clickhouse"] == f"{settings.store_host}:{settings.store_port}"
