"""Which port everything listens on. A preferred port that is taken is replaced, one that was asked for is an error."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from livetide.settings import Settings
from streams.broker import ports
from streams.records import RetryError

OWN_PORT = {"gateway": "gateway_port", "console": "console_port"}
"""Processes that serve their health on the port that they have anyway."""


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings that were given, as the environment of a child process. Paths become absolute."""
    found: dict[str, str] = {}
    for name in sorted(settings.model_fields_set):
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, Path):
            value = value.absolute()
        found[f"LIVETIDE_{name.upper()}"] = str(value)
    return found


def fingerprints(settings: Settings, key: str) -> dict[str, str]:
    """For each setting that was given, a fingerprint of its value under ``key``: tells a change, and not the value."""
    return {
        name: hmac.new(key.encode(), f"{name}={value}".encode(), "sha256").hexdigest()
        for name, value in environment_of(settings).items()
    }


def choose(
    settings: Settings,
    processes: Sequence[str],
    remembered: Mapping[str, str] | None = None,
    is_free: Callable[[int], bool] = ports.is_free,
) -> dict[str, str]:
    """The ports of a stack as ``LIVETIDE_…`` settings, and ``LIVETIDE_HEALTH_PORT.NAME`` for each process without a port.

    Asked for in the settings: that one or an error that names who holds it. Else the one of last time, else the default, else a
    free one below 32768. ``is_free`` may claim what it finds free (:class:`streams.broker.ports.Claims`).
    """
    chosen: dict[str, str] = {}
    taken: set[int] = set()

    def take(key: str, wanted: int, explicit: bool) -> None:
        last = int((remembered or {}).get(key, wanted))
        for port in (wanted,) if explicit else (last, wanted):
            if port not in taken and is_free(port):
                break
        else:
            if explicit:
                raise RetryError(
                    f"port {wanted} ({key.partition('.')[0]}) is taken by {ports.holder(wanted)}: stop that, or set another"
                )
            port = ports.free_port(taken, is_free=is_free)
        taken.add(port)
        chosen[key] = str(port)

    for name in _listening(settings):
        take(f"LIVETIDE_{name.upper()}", int(getattr(settings, name)), name in settings.model_fields_set)
    for number, process in enumerate(name for name in processes if name not in OWN_PORT):
        take(f"LIVETIDE_HEALTH_PORT.{process}", settings.health_port + number, "health_port" in settings.model_fields_set)
    return chosen


def _listening(settings: Settings) -> list[str]:
    names = [] if settings.kafka else ["kafka_port", "kafka_controller_port"]
    if not settings.clickhouse.get_secret_value():
        names += ["store_port", "store_http_port"]
    return [*names, *OWN_PORT.values()]
