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
    """The topics on the cluster: partitions, records, what they carry."""
    from livetide.cli.output import show
    from streams import admin
    from streams.topics import TOPICS

    rows = [
        {**state._asdict(), "carries": TOPICS[state.name].carries if state.name in TOPICS else "checkpoints"}
        for state in admin.list_topics(_settings().cluster())
    ]
    show(rows, ("name", "partitions", "records", "carries"), as_json=as_json)


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
