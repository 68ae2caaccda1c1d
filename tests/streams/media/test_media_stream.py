"""Streams of the network on the loopback: HLS by HTTP, RTMP, a connection that breaks, and one that never comes."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import psutil
import pytest

from streams.records import RetryError
from streams.segments import ABANDONED_MS, SegmentStore
from streams.sources.media import MediaStream, open_media
from streams.sources.media_feed import wall_clock
from streams.sources.media_feeds import LiveFeed
from streams.sources.simulator import read_frame_counter
from tests.streams.media.conftest import ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "0", "-c:a", "aac")
PATIENCE_S = 60


class Site:
    """An HTTP server. Each path has a list of bodies, one a visit, the last one for ever; a body may be cut short."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[tuple[bytes, int]]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bodies = site.bodies.get(self.path)
                if not bodies:
                    self.send_error(404)
                    return
                body, length = bodies.pop(0) if len(bodies) > 1 else bodies[0]
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Be quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.thread.join()
    site.server.server_close()


def live(url: str, store: SegmentStore, publisher: Any) -> LiveFeed:
    source = open_media(url, stream="main")
    assert isinstance(source, MediaStream)
    assert list(source.events()) == []
    return source.media(store, publisher, "room")


def play(feed: LiveFeed, until: Callable[[], bool], clock: Callable[[], int] = lambda: wall_clock() + 3_600_000) -> None:
    """Publish until something holds; a stream on the disk arrives faster than it was taken, so the clock is far ahead."""
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not until():
            assert time.monotonic() < deadline, "the stream gave too little in time"
            feed.publish_until(clock())
            time.sleep(0.02)
    finally:
        feed.close()


def numbers(store: SegmentStore, publisher: Any) -> list[int | None]:
    found = []
    for segment in publisher.segments:
        with av.open(str(store.path(segment.uri))) as container:
            found += [read_frame_counter(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    return found


def test_hls_by_http_arrives_whole_and_ends(
    counted: Callable[..., Path], store: SegmentStore, publisher: Any, site: Site, tmp_path: Path
) -> None:
    playlist = tmp_path / "room.m3u8"
    hls = ["-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]
    ffmpeg("-i", str(counted("h264.mp4", *H264)), *hls, str(playlist))
    for file in tmp_path.iterdir():
        if file.is_file():
            site.bodies[f"/{file.name}"] = [(file.read_bytes(), file.stat().st_size)]
    feed = live(f"{site.url}/room.m3u8", store, publisher)
    play(feed, lambda: feed.end_ms is not None)
    assert numbers(store, publisher) == list(range(200))
    lengths = [segment.duration_ms for segment in publisher.segments]
    assert lengths[1:] == [2_000] * 3
    assert 2_000 <= lengths[0] <= 2_050  # the sound begins one packet before the picture
    assert not any(segment.discontinuity for segment in publisher.segments)


class Refusing:
    """A sender that refuses each record once, as one does while Kafka is away."""

    def __init__(self, publisher: Any) -> None:
        self._publisher, self._refused = publisher, set[int]()

    def send(self, record: Any) -> None:
        if record.seq not in self._refused:
            self._refused.add(record.seq)
            raise RetryError("Kafka is away")
        self._publisher.send(record)


def test_what_the_sender_refuses_is_sent_when_it_is_asked_again(
    counted: Callable[..., Path], store: SegmentStore, publisher: Any, site: Site
) -> None:
    body = counted("h264.flv", *H264).read_bytes()
    site.bodies["/live.flv"] = [(body, len(body))]
    feed = live(f"{site.url}/live.flv", store, Refusing(publisher))
    refusals = 0
    deadline = time.monotonic() + PATIENCE_S
    while feed.end_ms is None:
        assert time.monotonic() < deadline, "the stream gave too little in time"
        try:
            feed.publish_until(wall_clock() + 3_600_000)
        except RetryError:
            refusals += 1
        time.sleep(0.02)
    feed.close()
    assert [segment.seq for segment in publisher.segments] == list(range(refusals))
    assert refusals == 4


def test_a_connection_that_breaks_is_opened_again_after_a_discontinuity(
    counted: Callable[..., Path], store: SegmentStore, publisher: Any, site: Site
) -> None:
    body = counted("h264.flv", *H264).read_bytes()
    site.bodies["/live.flv"] = [(body[: len(body) * 6 // 10], len(body)), (body, len(body))]
    feed = live(f"{site.url}/live.flv", store, publisher)
    play(feed, lambda: feed.end_ms is not None)
    marks = [segment.discontinuity for segment in publisher.segments]
    assert marks.count(True) == 1
    assert [segment.seq for segment in publisher.segments] == list(range(len(marks)))
    after = marks.index(True)
    assert 1 <= after <= 3
    assert publisher.segments[after].pts_ms == 0
    assert len(marks) - after == 4


@pytest.mark.slow
def test_rtmp_arrives_at_the_clocks_time(counted: Callable[..., Path], store: SegmentStore, publisher: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"rtmp://127.0.0.1:{probe.getsockname()[1]}/live/room"
    serve = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-re", "-i", str(counted("h264.mp4", *H264))]
    began = wall_clock()
    server = subprocess.Popen([*serve, "-c", "copy", "-f", "flv", "-listen", "1", url])
    try:
        feed = live(url, store, publisher)  # it tries again until the server listens
        play(feed, lambda: len(publisher.segments) >= 2, wall_clock)
    finally:
        server.kill()
        server.wait()
    first, second = publisher.segments[:2]
    ahead = 1_000  # -re lets the first half second through at once
    assert began - ahead <= first.event_ts <= first.ingest_ts <= wall_clock()
    assert second.event_ts == first.event_ts + first.duration_ms
    assert numbers(store, publisher)[:50] == list(range(50))


def test_a_stream_that_never_comes_is_given_up(site: Site, store: SegmentStore, publisher: Any) -> None:
    source = open_media(f"{site.url}/absent.flv", stream="main")
    assert isinstance(source, MediaStream)
    feed = source.media(store, publisher, "room", waits=(0, 0))
    with pytest.raises(RetryError, match="no video after 3 attempts"):
        play(feed, lambda: False)


def test_redirects_are_not_followed(counted: Callable[..., Path], store: SegmentStore, publisher: Any, site: Site) -> None:
    body = counted("h264.flv", *H264).read_bytes()
    site.bodies["/live.flv"] = [(body, len(body))]

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{site.url}/live.flv")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            source = open_media(f"http://127.0.0.1:{server.server_port}/x.flv", stream="main")
            assert isinstance(source, MediaStream)
            feed = source.media(store, publisher, "room", waits=())
            with pytest.raises(RetryError, match="no video after 1 attempts"):
                play(feed, lambda: False)
        finally:
            server.shutdown()
            thread.join()
    assert publisher.sent == []


@pytest.mark.slow
def test_the_recording_of_a_stream_ends_with_who_plays_it_also_by_kill_nine(
    counted: Callable[..., Path], store: SegmentStore
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"rtmp://127.0.0.1:{probe.getsockname()[1]}/live/room"
    serve = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-re", "-stream_loop", "-1"]
    serve += ["-i", str(counted("h264.mp4", *H264)), "-c", "copy", "-f", "flv", "-listen", "1", url]
    player = (
        "import sys, time\nfrom streams.segments import SegmentStore\nfrom streams.sources.media import open_media\n"
        "class Sink:\n    def send(self, record): print('sent', flush=True)\n"
        "feed = open_media(sys.argv[1], stream='main').media(SegmentStore(sys.argv[2]), Sink(), 'room')\n"
        "while True: feed.publish_until(time.time_ns()); time.sleep(0.05)\n"
    )
    with (
        subprocess.Popen(serve) as server,
        subprocess.Popen([sys.executable, "-c", player, url, str(store.root)], stdout=subprocess.PIPE) as playing,
    ):
        recorders: list[psutil.Process] = []
        try:
            assert playing.stdout is not None
            assert playing.stdout.readline() == b"sent\n"
            recorders = [child for child in psutil.Process(playing.pid).children() if url in child.cmdline()]
            assert len(recorders) == 1
            playing.kill()
            psutil.wait_procs(recorders, timeout=PATIENCE_S)
            assert not recorders[0].is_running(), "ffmpeg goes on recording"
        finally:
            server.kill()
            playing.kill()
            for recorder in recorders:
                with suppress(psutil.NoSuchProcess):
                    recorder.kill()
    (left,) = store.incoming.iterdir()
    store.sweep(wall_clock() + ABANDONED_MS + 1, 1 << 50)
    assert not left.exists()
