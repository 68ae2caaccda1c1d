"""The gateway process: uvicorn around ``streams.gateway``, on loopback unless the settings say otherwise."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import uvicorn
import uvloop

from livetide.metrics import PrometheusMeter
from livetide.settings import Settings, load_secrets
from streams.gateway.app import GatewayConfig, create_app
from streams.gateway.generations import FILE, Generations
from streams.gateway.log import KafkaLog
from streams.gateway.patience import PatientProtocol
from streams.records import FatalError, RetryError
from streams.topics import DANMAKU

MOST_CONNECTIONS = 1000


def config_of(settings: Settings) -> GatewayConfig:
    """What the settings and the installation's secrets mean for the gateway."""
    secrets = load_secrets(settings.data)
    return GatewayConfig(
        master=secrets["master"],
        user_hash=secrets["user_hash"],
        operator_key=secrets["operator_key"],
        partitions=settings.partitions,
        keep_names=settings.keep_names,
        room_rate=settings.room_rate,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512)
    except OSError as error:
        raise RetryError(
            f"the gateway cannot listen on {host}:{port} ({error.strerror}): free the port or set LIVETIDE_GATEWAY_PORT"
        ) from error


async def _serve(server: uvicorn.Server, listener: socket.socket, log: KafkaLog) -> None:
    """Serve until a signal, or until the producer can never write again."""

    async def watch() -> None:
        await log.failed.wait()
        server.should_exit = True

    watching = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is under way, within about two seconds."""
    config = config_of(settings)
    meter = PrometheusMeter()
    log = KafkaLog(settings.cluster(), DANMAKU.name)
    clock = lambda: time.time_ns() // 1_000_000
    generations = Generations(settings.data / FILE, clock)
    app = create_app(config, log, meter=meter, clock=clock, scrape=meter.text, generations=generations)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level=settings.log_level.lower(),
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
        )
    )
    # uvicorn raises the signal again once it has stopped; by then it means nothing any more
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with _listen(settings.host, settings.gateway_port) as listener, runner:
        runner.run(_serve(server, listener, log))
    if log.failure:
        raise FatalError(f"{log.failure}; start the gateway again")
    if not server.started:
        raise FatalError("the gateway could not start; its log says why")
