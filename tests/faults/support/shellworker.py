"""A worker process for fault tests: small operators on topics that the test made. Started as ``python -m``, killed at will.

python -m tests.faults.support.shellworker '{"servers": …, "instance": …, "agents": [{"name", "operator", "sources"}]}'
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from streams import topics
from streams.kafka import Cluster
from streams.shell.agent import Agent
from streams.worker import Worker
from tests.streams.shell.operators import Echo, Tally

OPERATORS: dict[str, tuple[Any, Any]] = {"echo": (Echo, "direct"), "tally": (Tally, "outbox")}
STEMS = {"sales": topics.SALES, "speech": topics.SPEECH}


class LogMeter:
    """Writes the lag into the log, for tests to read."""

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        if name == "agent_lag":
            logging.info("lag of %s %s-%s: %s", labels["agent"], labels["topic"], labels["partition"], value)

    def observe(self, name: str, value: float, /, **labels: str) -> None: ...


def agent_of(spec: dict[str, Any]) -> Agent:
    """An agent whose sources are the test's own topics: ``{"sales": "sales.1f3a"}``."""
    operator, mode = OPERATORS[spec["operator"]]
    sources = tuple(dataclasses.replace(STEMS[stem], name=name) for stem, name in spec["sources"].items())
    return Agent(spec["name"], sources, operator, mode)


def main(given: dict[str, Any]) -> None:
    logging.basicConfig(
        level=given.get("log", "INFO"), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = Worker(
        [agent_of(spec) for spec in given["agents"]], Cluster(given["servers"], given.get("partitions", 4)),
        instance=given.get("instance", ""), meter=LogMeter(), clock=lambda: int(time.time() * 1000),
        poison_share=given.get("poison_share", 0.5),
    )  # fmt: skip

    def tell() -> None:
        while worker.ready() is not None:
            time.sleep(0.05)
        print("ready", flush=True)
        while True:
            if reason := worker.alive():
                logging.error("not alive: %s", reason)
            time.sleep(0.5)

    threading.Thread(target=tell, daemon=True).start()
    worker.run(stop)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except BaseException:
        logging.critical("the worker failed", exc_info=True)
        sys.stderr.flush()
        os._exit(3)
    sys.stderr.flush()
    os._exit(0)
