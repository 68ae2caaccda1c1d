"""A store and a sink as processes that tests start, kill and start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from storage.client import Address, StoreClient
from storage.server.access import reader_password
from streams.kafka import Cluster
from streams.records import RetryError

PASSWORD = "correct-horse-battery"
READER_PASSWORD = reader_password(PASSWORD)
ROOT = Path(__file__).parents[2]
T = TypeVar("T")


def until(question: Callable[[], T], *, seconds: float = 60, say: Callable[[], object] = str) -> T:
    """Ask until the answer is true; fail with what ``say`` knows when the time is over."""
    end = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {answer!r} {say()}")
        time.sleep(0.05)


class Child:
    """A Python program of ``tests.storage.children`` in its own process. Its first line of output is what it answers with."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, program: str, arguments: Sequence[str], secret: str) -> str:
        with self._log.open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", f"tests.storage.children.{program}", *arguments],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, env=os.environ | {"STORE_PASSWORD": secret},
            )  # fmt: skip
        self.process = process
        assert process.stdout
        line = process.stdout.readline().decode()
        assert line, f"{program} ended with {process.wait(20)}: {self.log()[-2000:]}"
        return line

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def kill(self) -> None:
        """kill -9."""
        assert self.process
        self.process.kill()
        self.process.wait(20)
        self._close()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process
        self.process.terminate()
        status = self.process.wait(30)
        self._close()
        return status

    def wait(self, seconds: float) -> int:
        """The exit status of a program that ends by itself."""
        assert self.process
        status = self.process.wait(seconds)
        self._close()
        return status

    def _close(self) -> None:
        assert self.process
        assert self.process.stdout
        self.process.stdout.close()
        self.process = None


class StoreProcess(Child):
    """The embedded store on ``folder``, with ``readers`` at once and other ``patience`` if asked. It keeps its ports."""

    def __init__(self, folder: Path, *, readers: int = 12, **patience: float) -> None:
        super().__init__(folder / "store.log")
        self.folder = folder
        self._readers, self._patience = readers, json.dumps(patience)
        self.native_port = self.http_port = 0

    def start(self) -> None:
        arguments = [str(self.folder / "data"), str(self.native_port), str(self.http_port), str(self._readers), self._patience]
        said = json.loads(self.launch("store", arguments, PASSWORD))
        self.native_port, self.http_port = said["native"], said["http"]

    def stop(self) -> None:
        if self.process:
            status = self.end()
            assert status == 0, f"ended with {status}: " + self.log()[-2000:]

    @property
    def url(self) -> str:
        return f"clickhouse://live:{PASSWORD}@127.0.0.1:{self.native_port}/live"

    def client(self) -> StoreClient:
        return StoreClient(Address.parse(self.url))

    def answers(self) -> bool:
        client = self.client()
        try:
            client.execute("SELECT 1")
        except RetryError:
            return False
        finally:
            client.close()
        return True


class SinkProcess(Child):
    """A sink on a cluster and a store."""

    def __init__(
        self, folder: Path, cluster: Cluster, store: StoreProcess, group: str, *, instance: str = "", dead: float = 0.5
    ) -> None:
        super().__init__(folder / f"sink-{group}-{instance}.log")
        self._arguments = [cluster.servers, str(cluster.partitions), str(store.native_port), group, instance, str(dead)]

    def start(self) -> None:
        self.launch("sink", self._arguments, PASSWORD)

    def stop(self) -> None:
        if self.process:
            status = self.end()
            assert status == 0, f"ended with {status}: " + self.log()[-2000:]
