"""The registry of agents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams import agents
from streams.agents import AGENTS, NAMES, chosen
from streams.records import InvalidError
from streams.topics import TOPICS

FOLDER = Path(agents.__file__).parent


def test_every_file_is_an_agent_and_every_agent_a_file() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_goes_by_its_name_reads_our_topics_and_keeps_its_state(name: str) -> None:
    agent = AGENTS[name]
    assert agent.name == name
    assert all(TOPICS[topic.name] is topic for topic in agent.sources)
    operator = agent.operator()
    state = operator.dump()
    again = agent.operator()
    again.load(state)
    assert again.dump() == state


@pytest.mark.parametrize("name", NAMES)
def test_the_map_names_the_agent_as_a_reader(name: str) -> None:
    for topic in AGENTS[name].sources:
        assert name in topic.read_by, f"{topic.name} is read by {name}, and streams/topics.py does not say so"


def test_choosing() -> None:
    assert [agent.name for agent in chosen("all")] == list(NAMES)
    assert [agent.name for agent in chosen(" mood, opinion,mood ")] == ["mood", "opinion"]
    for wrong in ("", ",", "moood"):
        with pytest.raises(InvalidError, match=r"choose from|give names of"):
            chosen(wrong)


def test_names_alone_import_no_thinking() -> None:
    script = (
        "import sys; from streams.agents import NAMES; print([m for m in sys.modules if m.startswith(('analytics', 'faust'))])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1])
    assert found.stdout.strip() == "[]"
