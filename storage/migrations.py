"""The schema: numbered files, applied forward only, each exactly as it was when it was first applied.

A file is SQL with a few holes, so that one text serves a single server and a cluster:

    ${table NAME}              a stored table: ``live.NAME``, or ``live.NAME_local`` on every server of the cluster
    ${local NAME}              the stored table again, where a view reads or writes it
    ${view NAME}               a view
    ${replaced NAME}           a view that a file before this one made, behind ``CREATE OR REPLACE VIEW``
    ${engine E(args)}          ``E(args)``, or its Replicated form
    ${settings}                what every stored table is set to
    ${distributed NAME [by X]} the table over all servers, split by room (or by X); nothing on a single server
    ${comment NAME.COLUMN 'X'} the statement that says X of a column, wherever the table stands

An applied file that has changed since is refused: later readers must find the schema that the file says.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.client import StoreClient
from streams.records import FatalError

SCHEMA: Final = Path(__file__).parent / "schema"
DATABASE: Final = "live"
TABLE_SETTINGS: Final = "ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000"
CLUSTER_SETTINGS: Final = (
    "ttl_only_drop_parts = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
)
_NAME: Final = re.compile(r"(\d{4})_([a-z_]+)\.sql")
_HOLE: Final = re.compile(r"\$\{(\w+)(?: ([^}]*))?\}(;?)")
_CLUSTER: Final = re.compile(r"[A-Za-z0-9_\-]+")


@dataclass(frozen=True)
class Migration:
    """One file of the schema."""

    version: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, cluster: str = "") -> list[str]:
        """The SQL for a single server, or for the servers of ``cluster``."""
        rendered = _HOLE.sub(lambda hole: _fill(hole[1], hole[2] or "", cluster), _without_comments(self.text))
        return [statement.strip() for statement in re.split(r";[ \t]*(?:\n|$)", rendered) if statement.strip()]


def load(folder: Path = SCHEMA) -> list[Migration]:
    """The files of the schema in order. Raises :class:`FatalError` for a bad name or a gap in the numbers."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if not match:
            raise FatalError(f"{path.name} in the schema must be named like 0001_what_it_adds.sql")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise FatalError("the schema's files must be numbered 0001, 0002, … without a gap or a double")
    return found


def migrate(client: StoreClient, *, cluster: str = "", folder: Path = SCHEMA) -> list[str]:
    """Bring the store to this version's schema; the names of what was applied now. Again is harmless.

    Raises :class:`FatalError` when an applied file differs from ours, or when the store is ahead of us.
    """
    wanted = load(folder)
    on = _on(cluster)
    client.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}{on} ENGINE = Atomic")
    engine = "ReplicatedMergeTree" if cluster else "MergeTree"
    client.execute(
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.migrations{on} ("
        "version UInt32 COMMENT 'Number of the schema file', name String COMMENT 'Its name', "
        "digest String COMMENT 'SHA-256 of its text', "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied'"
        f") ENGINE = {engine} ORDER BY version COMMENT 'The schema files that were applied'"
    )
    rows = client.execute(
        f"SELECT version, any(name), any(digest) FROM {DATABASE}.migrations "  # noqa: S608 - a constant
        "GROUP BY version ORDER BY version"
    )
    applied = {int(version): (str(name), str(digest)) for version, name, digest in rows}
    _check(applied, wanted)
    done = []
    for migration in wanted:
        if migration.version in applied:
            continue
        for statement in migration.statements(cluster):
            client.execute(statement)
        client.insert(
            f"{DATABASE}.migrations", ["version", "name", "digest"], [[migration.version], [migration.name], [migration.digest]]
        )
        done.append(f"{migration.version:04d}_{migration.name}")
    return done


def _check(applied: dict[int, tuple[str, str]], wanted: list[Migration]) -> None:
    ours = {migration.version: migration for migration in wanted}
    for version, (name, digest) in applied.items():
        if version not in ours:
            raise FatalError(
                f"the store has schema {version:04d}_{name}, which this version does not know: use the version that made it"
            )
        if ours[version].digest != digest:
            raise FatalError(
                f"schema file {version:04d}_{ours[version].name} differs from what was applied to the store: "
                "put it back as it was, and say what must change in a new file"
            )


def _fill(hole: str, argument: str, cluster: str) -> str:
    on = _on(cluster)
    if hole == "table":
        return f"IF NOT EXISTS {DATABASE}.{argument}{'_local' if cluster else ''}{on}"
    if hole == "view":
        return f"IF NOT EXISTS {DATABASE}.{argument}{on}"
    if hole == "replaced":
        return f"{DATABASE}.{argument}{on}"
    if hole == "local":
        return f"{DATABASE}.{argument}{'_local' if cluster else ''}"
    if hole == "engine":
        return f"Replicated{argument}" if cluster else argument
    if hole == "settings":
        return CLUSTER_SETTINGS if cluster else TABLE_SETTINGS
    if hole == "distributed":
        name, _, key = argument.partition(" by ")
        return (
            f"CREATE TABLE IF NOT EXISTS {DATABASE}.{name}{on} AS {DATABASE}.{name}_local "
            f"ENGINE = Distributed('{cluster}', '{DATABASE}', '{name}_local', {key or 'cityHash64(room_id)'});"
            if cluster
            else ""
        )
    if hole == "comment":
        place, _, words = argument.partition(" ")
        name, _, column = place.partition(".")
        names = (f"{name}_local", name) if cluster else (name,)
        return "".join(f"ALTER TABLE {DATABASE}.{one}{on} COMMENT COLUMN {column} {words};\n" for one in names)
    raise FatalError(f"the schema has a hole ${{{hole}}} that nobody fills")


def _on(cluster: str) -> str:
    if not cluster:
        return ""
    if not _CLUSTER.fullmatch(cluster):
        raise FatalError(f"the cluster's name {cluster!r} may have letters, digits, _ and -")
    return f" ON CLUSTER '{cluster}'"


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
