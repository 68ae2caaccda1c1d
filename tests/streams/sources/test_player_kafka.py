"""A recording through the gateway as a process and real Kafka, its player killed in between: every row, once."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest

from livetide.settings import load_secrets
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.segments import SegmentStore
from streams.topics import DANMAKU, FRAMES, TOPICS
from tests.streams.gateway.test_log import read_kafka
from tests.streams.gateway.test_process import ready
from tests.support.kafka import make_topics

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
GATEWAY = "from livetide.processes.gateway import run; from livetide.settings import Settings; run(Settings())"
COMMAND = "from livetide.cli import main; main()"
ROWS = 20_000
T = 1_764_000_000_000


@pytest.fixture
def installation(cluster: Cluster, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of one installation whose gateway runs."""
    make_topics(cluster, list(TOPICS.values()))
    environment = os.environ | {
        "LIVETIDE_DATA": str(tmp_path / "data"),
        "LIVETIDE_KAFKA": cluster.servers,
        "LIVETIDE_GATEWAY_PORT": str(free_port()),
        "LIVETIDE_ROOM_RATE": "1000000",
    }
    with (tmp_path / "gateway.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", GATEWAY], env=environment, stdout=log, stderr=log)
    try:
        yield environment
    finally:
        process.terminate()
        process.wait(10)


async def test_every_row_once_though_the_player_is_killed(
    installation: dict[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text(
        "\n".join(json.dumps({"ts_ms": T + 7 * n, "user": f"u{n % 90}", "text": f"{n % 500}"}) for n in range(ROWS))
    )
    url = f"http://127.0.0.1:{installation['LIVETIDE_GATEWAY_PORT']}"
    key = load_secrets(Path(installation["LIVETIDE_DATA"]))["operator_key"]
    async with httpx.AsyncClient(trust_env=False) as client:
        await ready(client, url, key)
    program = [sys.executable, "-c", COMMAND, "play", str(tape), "--room", "tape-room", "--json", "--resume"]
    for _ in range(2):
        with subprocess.Popen([*program, "--speed", "50"], env=installation, stdout=subprocess.PIPE) as process:
            folder = Path(installation["LIVETIDE_DATA"]) / "run"
            async with asyncio.timeout(30):
                while not any(json.loads(one.read_bytes()).get("played") for one in folder.glob("play-*.json")):
                    await asyncio.sleep(0.05)
            process.kill()
            process.communicate()
    done = subprocess.run([*program, "--speed", "max"], env=installation, capture_output=True, check=False)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["played"], summary["rejected"]) == (0, ROWS, 0)
    envelopes = [DANMAKU.decode(value) for _, key, value in read_kafka(cluster, DANMAKU.name) if key == b"tape-room"]
    times = Counter(chat.id for envelope in envelopes for chat in envelope.messages)
    assert (len(times), set(times.values())) == (ROWS, {1})
    stamps = [chat.event_ts for envelope in envelopes for chat in envelope.messages]
    assert stamps == sorted(stamps), "a room's chat lies in the log in its own order"


@pytest.mark.parametrize("speed", ["max", "20"])
def test_a_video_file_is_published_whole(cluster: Cluster, tmp_path: Path, speed: str) -> None:
    make_topics(cluster, list(TOPICS.values()))
    video, room = tmp_path / "clip.mp4", f"video-{speed}"
    picture = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x180:rate=25:duration=9",
        "-c:v",
        "libx264",
        "-g",
        "50",
        "-pix_fmt",
        "yuv420p",
    ]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *picture, str(video)], check=True)
    environment = os.environ | {"LIVETIDE_DATA": str(tmp_path / "data"), "LIVETIDE_KAFKA": cluster.servers}
    program = [sys.executable, "-c", COMMAND, "play", str(video), "--room", room, "--json", "--speed", speed, "--start", str(T)]
    done = subprocess.run(program, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    segments = [FRAMES.decode(value) for _, key, value in read_kafka(cluster, FRAMES.name) if key == room.encode()]
    assert len(segments) == json.loads(done.stdout)["media_segments"] >= 2
    assert [one.seq for one in segments] == list(range(len(segments)))
    assert segments[0].event_ts == T
    assert segments[-1].event_ts + segments[-1].duration_ms == pytest.approx(T + 9000, abs=100)
    store = SegmentStore(tmp_path / "data" / "segments")
    assert [len(store.read(one.uri)) for one in segments] == [one.size for one in segments]
