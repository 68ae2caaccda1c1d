"""``livetide topics`` against the real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livetide.processes.setup import agent_names
from streams.kafka import Cluster
from streams.topics import TOPICS, checkpoint_topic
from tests.livetide.cli.test_cli import livetide

pytestmark = pytest.mark.kafka


def test_topics_are_created_once_and_listed(cluster: Cluster, tmp_path: Path) -> None:
    settings = {"LIVETIDE_DATA": str(tmp_path), "LIVETIDE_KAFKA": cluster.servers}
    assert livetide("topics", "create", **settings).returncode == 0
    assert livetide("topics", "create", **settings).stdout == "every topic exists\n"
    rows = [json.loads(line) for line in livetide("topics", "list", "--json", **settings).stdout.splitlines()]
    found = {row["name"]: row for row in rows}
    assert set(TOPICS) <= set(found)
    assert {checkpoint_topic(name).name for name in agent_names()} <= set(found)
    assert all(found[name]["partitions"] == cluster.partitions for name in TOPICS)
    assert "live.danmaku" in livetide("topics", "list", **settings).stdout


def test_every_agent_is_named_like_its_module() -> None:
    from importlib import import_module

    for name in agent_names():
        assert import_module(f"streams.agents.{name}").AGENT.name == name


@pytest.mark.slow
def test_a_cluster_that_is_away_is_one_line(tmp_path: Path) -> None:
    done = livetide("topics", "list", LIVETIDE_DATA=str(tmp_path), LIVETIDE_KAFKA="127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.startswith("livetide: Kafka at 127.0.0.1:1 does not answer")
    assert "Traceback" not in done.stderr
