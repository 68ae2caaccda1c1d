"""The processes of the one-machine stack: what each needs, in which order, and how it is asked whether it is well."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from livetide import addresses
from livetide.addresses import place
from livetide.settings import Settings
from livetide.stack.places import OWN_PORT, environment_of
from livetide.stack.state import StackState
from livetide.stack.supervisor import Probe, Spec

TIMEOUT = 5.0
NEED_STORE = ("setup", "sink", "console")


def process_names(settings: Settings) -> list[str]:
    """The processes that these settings ask for, in order. A cluster that is set needs no embedded broker or store."""
    embedded = ([] if settings.kafka else ["kafka"]) + ([] if settings.clickhouse.get_secret_value() else ["store"])
    workers = ["worker", *(f"worker-{number}" for number in range(2, settings.workers + 1))]
    return [*embedded, "setup", "gateway", *workers, "sink", "clipper", "host", "delivery", "console"]


def placed_names(settings: Settings) -> list[str]:
    """Who has a port: every process that goes on, and the supervisor itself."""
    return [*(name for name in process_names(settings) if name != "setup"), "stack"]


def state_of(settings: Settings, ports: Mapping[str, str], started_ms: int) -> StackState:
    """Where everything will be, for ``stack.json``."""
    placed = settings.model_copy(update={name.removeprefix("LIVETIDE_").lower(): int(port) for name, port in ports.items()})
    url = settings.clickhouse.get_secret_value()
    outside = urlsplit(url).netloc.rpartition("@")[2] if url else ""
    return StackState(
        data=str(settings.data.absolute()),
        started_ms=started_ms,
        environment={name: port for name, port in ports.items() if "." not in name},
        kafka=settings.kafka or f"127.0.0.1:{placed.kafka_port}",
        clickhouse=outside or place(addresses.store_host(settings), placed.store_port),
        clickhouse_http="" if outside else f"http://{place(addresses.store_host(settings), placed.store_http_port)}",
        gateway=addresses.gateway(placed),
        console=addresses.console(placed),
        health={name: addresses.web(settings, _health_port(name, ports)) for name in placed_names(settings)},
    )


def specs(settings: Settings, ports: Mapping[str, str], key: str) -> list[Spec]:
    """The process table. Every child gets the settings and its own port by environment, never by command line."""
    names = process_names(settings)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
    shared = inherited | environment_of(settings) | {name: port for name, port in ports.items() if "." not in name}
    spine = tuple(name for name in ("kafka", "store") if name in names)
    return [_spec(name, _after(name, spine), shared, settings, ports, key) for name in names]


def _after(name: str, spine: tuple[str, ...]) -> tuple[str, ...]:
    """What must be ready before ``name``. `setup` stays done for ever while the spine may go away and come back: so whoever
    needs a part of it is after that part, too, and an outage does not count as a failure of its own."""
    if name in spine:
        return ()
    if name in NEED_STORE:
        return spine if name == "setup" else (*spine, "setup")
    return (*(part for part in spine if part == "kafka"), "setup")


def _spec(
    name: str, after: tuple[str, ...], shared: Mapping[str, str], settings: Settings, ports: Mapping[str, str], key: str
) -> Spec:
    process, _, instance = name.partition("-")
    environment = dict(shared)
    if instance:
        environment["LIVETIDE_INSTANCE"] = instance
    command = (sys.executable, "-m", "livetide", "run", process)
    if name == "setup":
        return Spec(name, command, environment, after, once=True)
    port = _health_port(name, ports)
    environment["LIVETIDE_HEALTH_PORT"] = str(port) if name not in OWN_PORT else str(settings.health_port)
    host = addresses.reached(settings.host)
    return Spec(
        name,
        command,
        environment,
        after,
        ready=http_probe(host, port, "/readyz", key),
        alive=http_probe(host, port, "/healthz", key),
        grace=25.0 if process in ("kafka", "store") else 10.0,
    )


def _health_port(name: str, ports: Mapping[str, str]) -> int:
    return int(ports[f"LIVETIDE_{OWN_PORT[name].upper()}" if name in OWN_PORT else f"LIVETIDE_HEALTH_PORT.{name}"])


def http_probe(host: str, port: int, path: str, key: str) -> Probe:
    """Asks a health route; the reason is what it answers when that is not 200."""

    def probe() -> str | None:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            text = answer.read(400).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return f"no answer at port {port} ({type(error).__name__})"
        finally:
            connection.close()
        return None if answer.status == 200 else f"{text or 'it answers'} ({answer.status})"

    return probe
