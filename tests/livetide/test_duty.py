"""A plain process tells through its health server when one of its readers hangs."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from threading import Event

import httpx

from livetide.processes.duty import all_alive, on_duty
from livetide.settings import Settings, load_secrets
from streams.broker.ports import free_port


class Reader:
    def __init__(self) -> None:
        self.reason: str | None = None

    def alive(self) -> str | None:
        return self.reason


def test_a_reader_that_hangs_makes_its_process_unwell(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, health_port=free_port())
    readers: list[Reader] = []
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        key = load_secrets(tmp_path)["operator_key"]
        answer = httpx.get(
            f"http://127.0.0.1:{settings.health_port}/healthz", headers={"Authorization": f"Bearer {key}"}, trust_env=False
        )
        answers.append((answer.status_code, answer.text.strip()))

    def work(stop: Event) -> None:
        ask()
        readers[1].reason = "host: the handler of host.commands-1@7 has not come back for 121 s"
        ask()
        os.kill(os.getpid(), signal.SIGTERM)
        stop.wait()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    assert threading.current_thread() is threading.main_thread()
    try:
        with on_duty(settings, alive=all_alive(readers)) as duty:
            readers += Reader(), Reader()
            duty.run([work])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert answers == [(200, "ok"), (503, "host: the handler of host.commands-1@7 has not come back for 121 s")]
