"""The generated pages are what the code says today, and nothing of one machine is in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from livetide.reference import pages
from livetide.tables import relations
from storage.rows import TABLE_OF
from streams import records, topics
from streams.agents import AGENTS
from tests.storage.support import StoreProcess

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(pages()))
def test_page_is_current(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"


def test_every_record_kind_has_one_topic() -> None:
    kinds = {
        kind
        for kind in vars(records).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and ".1" in str(kind.__struct_config__.tag)
    }
    assert kinds == set(topics.TOPIC_OF)
    assert len(topics.TOPIC_OF) == sum(len(topic.kinds) for topic in topics.TOPICS.values())


def test_asyncapi_names_every_topic() -> None:
    document = topics.asyncapi(4)
    assert set(document["channels"]) == set(topics.TOPICS)
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            kind = message["$ref"].rsplit("/", 1)[1]
            assert (
                document["components"]["messages"][kind]["payload"]["$ref"].rsplit("/", 1)[1]
                in document["components"]["schemas"]
            )


STRAY = re.compile(
    r"/(?:work|farm|root)/|/home/\w+/|\bTODO\b|\bFIXME\b|https?://[\w.-]*(?:pypi|mirror|registry|artifactory|nexus)[\w.-]*"
)
"""Paths of one machine, notes to self, and addresses of registries."""


def test_nothing_stray_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}:{number}" for number, line in enumerate(text.splitlines(), 1) if STRAY.search(line)]
    assert not found


def test_the_map_names_the_readers_that_are_no_agents() -> None:
    stored = {name for name, topic in topics.TOPICS.items() if "sink" in topic.read_by}
    assert stored == set(TABLE_OF) == set(topics.TOPICS) - {topics.DANMAKU.name}
    agents = set(AGENTS)
    for topic in topics.TOPICS.values():
        known = agents | {"sink", "clipper", "host", "delivery", "replay command"}
        assert set(topic.read_by) <= known, topic.name
        for reader in set(topic.read_by) & agents:
            assert topic in AGENTS[reader].sources, f"{reader} does not read {topic.name}"


@pytest.mark.store
def test_schema_page_is_what_a_store_has(store: StoreProcess) -> None:
    client = store.client()
    rows = client.execute(
        "SELECT table, name, type, comment FROM system.columns WHERE database = 'live' AND table != 'migrations' "
        "ORDER BY table, position"
    )
    tables = dict(client.execute("SELECT name, comment FROM system.tables WHERE database = 'live' AND name != 'migrations'"))
    client.close()
    found: dict[str, list[tuple[str, str, str]]] = {}
    for table, *column in rows:
        found.setdefault(table, []).append((column[0], column[1], column[2]))
    ours = {one.name: one for one in relations()}
    assert {name: one.comment for name, one in ours.items()} == tables
    for name, one in ours.items():
        columns = ours[one.follows].columns if one.follows else one.columns
        if one.kind == "table":
            assert [(column.name, column.type, column.comment) for column in columns] == found[name]
        else:
            assert [column.name for column in columns] == [column[0] for column in found[name]]
