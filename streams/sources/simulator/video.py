"""The rendered video of a simulated room, in the segment store: rendered once for a script, then only linked."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec

from streams.children import command, environment
from streams.records import FatalError, RetryError, yuan
from streams.segments import SegmentStore
from streams.sources.media_feed import Segment
from streams.sources.simulator import render_worker
from streams.sources.simulator.counter import HEIGHT, WIDTH
from streams.sources.simulator.picture import FPS, Card
from streams.sources.simulator.render_worker import GOP, SEGMENT_MS
from streams.sources.simulator.script import Script
from streams.sources.simulator.truth import VideoLaw

Progress = Callable[[int, int], None]
"""Called with how many of how many segments are finished."""

RENDERING = 1  # raise it when the picture or the sound changes, so that nothing old is taken from the cache
_CACHE = ".simulated"
_STAGES = {"intro": "NEW", "feature": "DETAILS", "price": "PRICE", "cta": "ORDER NOW", "close": "THANK YOU"}


def law(seed: int, base_ts: int, length: int) -> VideoLaw:
    """What the video of a room of ``length`` milliseconds promises. Another start is another stream of the same bytes."""
    frames = length // SEGMENT_MS * GOP
    stream = f"sim-{seed}-{length // 1000}s-{base_ts}"
    return VideoLaw(width=WIDTH, height=HEIGHT, fps=FPS, gop=GOP, segment_ms=SEGMENT_MS, frames=frames, stream=stream)


def render(
    stream: str, script: Script, store: SegmentStore, room: str, progress: Progress | None = None, workers: int = 2
) -> list[Segment]:
    """The room's video as stored segments. Takes about 15 s for six minutes on two cores, and next to nothing again."""
    count = script.end // SEGMENT_MS
    folder = store.root / _CACHE / f"{script.end}-{_fingerprint(script)}"
    if not all((folder / f"{seq:08d}.ts").is_file() for seq in range(count)):
        _fill(folder, script, count, progress, workers)
    segments = []
    for seq in range(count):
        stored = store.adopt(room, stream, seq, folder / f"{seq:08d}.ts")
        segments.append(Segment(seq, seq * SEGMENT_MS, SEGMENT_MS, stored))
    return segments


def _fingerprint(script: Script) -> str:
    shown = repr((RENDERING, script.sentences, [(act.start, act.price, act.item.label) for act in script.acts]))
    return hashlib.sha256(shown.encode()).hexdigest()[:12]


def _fill(folder: Path, script: Script, count: int, progress: Progress | None, workers: int) -> None:
    """Render into a folder beside and rename it, so that a cache is whole or absent."""
    from streams.sources.simulator.sound import write_sound

    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        write_sound(script, count * SEGMENT_MS, beside / "sound.m4a")
        _run_workers(_jobs(beside, script, count, workers), count, progress)
        (beside / "sound.m4a").unlink()
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
    except OSError as error:
        raise RetryError(f"the simulated video cannot be written to {folder.parent}: {error}; free disk space") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _jobs(folder: Path, script: Script, count: int, workers: int) -> list[render_worker.Job]:
    cards = _cards(script)
    borders = [count * number // workers for number in range(workers + 1)]
    return [
        render_worker.Job(cards, str(folder / "sound.m4a"), str(folder), first, last)
        for first, last in pairwise(borders)
        if last > first
    ]


def _cards(script: Script) -> list[Card]:
    """What stands in the picture when: the product from its paragraph's start, its price from the moment it is named."""
    cards = [Card(0, "LIVETIDE", "", "SIMULATED ROOM", (48, 48, 56))]
    for act in script.acts:
        for stage, start in act.stages.items():
            named = "price" in act.stages and start >= act.stages["price"]
            price = f"CNY {yuan(act.price).removesuffix('.00')}" if named else ""
            cards.append(Card(start * FPS // 1000, act.item.label, price, _STAGES[stage], act.item.colour))
        cards.append(Card(act.end * FPS // 1000, act.item.label, "", "WELCOME", act.item.colour))
    return sorted(cards, key=lambda card: card.frame)


def _run_workers(jobs: list[render_worker.Job], count: int, progress: Progress | None) -> None:
    done, lock = 0, threading.Lock()

    def follow(process: subprocess.Popen[bytes]) -> None:
        nonlocal done
        assert process.stdout is not None
        for _ in process.stdout:
            with lock:
                done += 1
                if progress is not None:
                    progress(done, count)

    processes: list[subprocess.Popen[bytes]] = []
    try:
        for job in jobs:
            process = subprocess.Popen(
                command(render_worker.__name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
            )
            processes.append(process)
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(job))
            process.stdin.close()
        threads = [threading.Thread(target=follow, args=(process,), daemon=True) for process in processes]
        for thread in threads:
            thread.start()
        for process in processes:
            if process.wait():
                raise FatalError(f"rendering the simulated video failed with exit code {process.returncode}; see above")
        for thread in threads:
            thread.join()
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
