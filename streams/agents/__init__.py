"""The agents, by name. Looking one up imports it, and with it what it thinks with; the names alone cost nothing.

An agent is a file of this folder with a constant ``AGENT``: a name, its sources, its operator, its mode. It has no ideas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from streams.records import InvalidError
from streams.shell.agent import Agent

NAMES = ("comprehension", "mood", "opinion", "intents", "answers", "segments", "highlights")


class _Agents(Mapping[str, Agent]):
    def __getitem__(self, name: str) -> Agent:
        if name not in NAMES:
            raise KeyError(name)
        agent: Agent = import_module(f"streams.agents.{name}").AGENT
        assert agent.name == name, f"streams/agents/{name}.py names its agent {agent.name!r}"
        return agent

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


AGENTS: Mapping[str, Agent] = _Agents()


def chosen(names: str) -> Sequence[Agent]:
    """The agents of a list with commas between, or ``all``. Raises :class:`InvalidError` for a name that is none."""
    wanted = NAMES if names.strip() == "all" else tuple(dict.fromkeys(filter(None, map(str.strip, names.split(",")))))
    if unknown := [name for name in wanted if name not in NAMES]:
        raise InvalidError(f"no agent is called {', '.join(map(repr, unknown))}: choose from {', '.join(NAMES)}, or all")
    if not wanted:
        raise InvalidError(f"no agent is chosen: give names of {', '.join(NAMES)}, or all")
    return [AGENTS[name] for name in wanted]
