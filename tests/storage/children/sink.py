"""``python -m tests.storage.children.sink SERVERS PARTITIONS STORE_PORT GROUP INSTANCE DEAD_LIMIT``: a sink until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time

from livetide.metrics import PrometheusMeter
from storage.sink import Sink
from streams.kafka import Cluster


def main() -> None:
    servers, partitions, port, group, instance, dead = sys.argv[1:7]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sink = Sink(
        Cluster(servers, int(partitions)),
        f"clickhouse://live:{os.environ['STORE_PASSWORD']}@127.0.0.1:{port}/live",
        meter=PrometheusMeter(),
        clock=lambda: time.time_ns() // 1_000_000,
        group=group,
        instance=instance,
        dead_limit=float(dead),
        session_ms=6_000,
        flush_ms=200,
    )
    print("started", flush=True)
    sink.run(stop)


if __name__ == "__main__":
    main()
