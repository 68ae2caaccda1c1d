"""``livetide topics``: what stands on the cluster, what is missing, and the document about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from livetide.settings import Settings

app = typer.Typer(help="Kafka topics: list, create, asyncapi.", add_completion=False, no_args_is_help=True)


def _settings() -> Settings:
    from livetide.stack.state import needed

    return needed(kafka=True)


@app.command("list")
def list_topics(as_json: bool = typer.Option(False, "--json", help="One JSON object a line.")) -> None:
    """The topics on the cluster: partitions, the records that Kafka still holds, what they carry; and which are missing."""
    from livetide.cli.output import show
    from streams import admin
    from streams.agents import NAMES
    from streams.topics import TOPICS, checkpoint_topic

    carried = {name: topic.carries for name, topic in TOPICS.items()}
    carried |= {checkpoint_topic(name).name: f"checkpoints of the agent {name}" for name in NAMES}
    found = admin.list_topics(_settings().cluster())
    rows = [{**state._asdict(), "carries": carried.get(state.name, "not one of this version's topics")} for state in found]
    show(rows, ("name", "partitions", "records", "carries"), as_json=as_json, none="no topics of ours on this cluster")
    if missing := sorted(set(carried) - {state.name for state in found}):
        typer.echo(f"missing: {', '.join(missing)}; `livetide topics create` makes them", err=True)


@app.command()
def create() -> None:
    """Create the topics that are missing. Harmless when none is."""
    from livetide.processes.setup import create_topics

    made = create_topics(_settings())
    typer.echo(f"created {', '.join(made)}" if made else "every topic exists")


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of the topics and their records."""
    from livetide.settings import Settings
    from streams.topics import asyncapi as document

    typer.echo(json.dumps(document(Settings().partitions), ensure_ascii=False, indent=1, sort_keys=True))
