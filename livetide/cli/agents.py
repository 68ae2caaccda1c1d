"""``livetide agents``: what each agent reads, how far it is behind, and the ways back when offsets and checkpoints disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livetide.settings import Settings

app = typer.Typer(help="The agents: list, repair.", add_completion=False, no_args_is_help=True)


def _settings() -> Settings:
    from livetide.stack.state import needed

    return needed(kafka=True)


@app.command("list")
def list_agents(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """The agents: what they read, how they speak, how many records wait for them."""
    from livetide.cli.output import show
    from streams.agents import AGENTS
    from streams.lag import agent_lag

    cluster = _settings().cluster()
    rows = [
        {
            "name": agent.name,
            "mode": agent.mode,
            "reads": ", ".join(topic.name for topic in agent.sources),
            "lag": sum(place.lag for place in agent_lag(cluster, agent)),
        }
        for agent in AGENTS.values()
    ]
    show(rows, ("name", "mode", "reads", "lag"), as_json=as_json)


@app.command()
def repair(
    name: Annotated[str, typer.Argument(help="An agent, several with commas between, or all. Their workers must be stopped.")],
    to_checkpoint: Annotated[bool, typer.Option("--to-checkpoint", help="Go back to the newest checkpoint there is.")] = False,
    skip_lost: Annotated[
        bool, typer.Option("--skip-lost", help="Keep the state; accept what Kafka has removed as lost.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Forget the state and read everything that is there again.")] = False,
    from_now: Annotated[bool, typer.Option("--from-now", help="Forget the state and begin with what comes next.")] = False,
) -> None:
    """Make the offsets and the checkpoints of an agent fit again, after somebody moved offsets or Kafka removed records.

    Choose one way. `--to-checkpoint` is right after a hand-made offset reset: nothing is lost, and a little may be said again.
    """
    import logging
    import time

    from streams.agents import chosen
    from streams.shell import repair as ways

    if sum((to_checkpoint, skip_lost, anew, from_now)) != 1:
        raise typer.BadParameter("choose one of --to-checkpoint, --skip-lost, --anew and --from-now")
    settings = _settings()
    if settings.log_level != "DEBUG":  # what it complains of comes as an error of ours, in words
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    cluster = settings.cluster()
    clock = lambda: time.time_ns() // 1_000_000
    for agent in chosen(name):
        if to_checkpoint:
            done = ways.to_checkpoint(cluster, agent)
        elif skip_lost:
            done = ways.skip_lost(cluster, agent, clock)
        else:
            done = ways.anew(cluster, agent, clock, latest=from_now)
        for one in done:
            places = ", ".join(f"{topic} at {at}" for topic, at in sorted(one.positions.items())) or "nothing to go back to"
            lost = f" ({one.lost} records lost)" if one.lost else ""
            typer.echo(f"{agent.name}, partition {one.partition}: {places}{lost}")
