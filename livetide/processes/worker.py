"""The worker process: the agents that the settings name, with health and metrics."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from livetide.health import HealthServer
from livetide.metrics import PrometheusMeter
from livetide.processes.duty import clock
from livetide.settings import Settings, load_secrets
from streams import admin
from streams.agents import chosen
from streams.worker import Worker

log = logging.getLogger(__name__)

FAILED = 3


def run(settings: Settings) -> NoReturn:
    """Run until SIGTERM or SIGINT, then end the process: code 0 after a clean stop, 3 when an agent failed.

    The process ends by itself, since the threads of Faust are no daemons and would wait for a broker that is away.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    agents = chosen(settings.agents)
    meter = PrometheusMeter()
    worker = Worker(
        agents, settings.cluster(), instance=settings.instance, meter=meter, clock=clock, poison_share=settings.poison_limit
    )
    key = load_secrets(settings.data)["operator_key"]
    health = HealthServer(settings.host, settings.health_port, key, meter, worker.ready, worker.alive)
    health.start()
    code = 0
    try:
        worker.run(stop, prepare=lambda: admin.create_topics(settings.cluster(), admin.topics_for(agents)))
        log.info("stopped cleanly")
    except BaseException as error:
        log.critical("the worker stops, and nothing unsafe is committed: %s", error, exc_info=error)
        code = FAILED
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
