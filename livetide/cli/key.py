"""``livetide key ROOM``: what a sender of this room's events needs."""

from __future__ import annotations

import typer


def key(
    room: str = typer.Argument(help="The room's id, as in the address that events are posted to.", metavar="ROOM"),
    as_json: bool = typer.Option(False, "--json", help="One JSON object."),
) -> None:
    """Print the bearer key of a room, and the secret with which its webhooks are signed (Standard Webhooks)."""
    import json
    from urllib.parse import quote

    from livetide.settings import Settings, load_secrets
    from livetide.stack.state import connected
    from streams.gateway.auth import bearer_key, webhook_secret
    from streams.gateway.border import check_name
    from streams.gateway.refused import RefusedError

    try:
        check_name("room", room)
    except RefusedError as error:
        raise typer.BadParameter(error.reason, param_hint="ROOM") from None
    settings = connected(Settings())
    master = load_secrets(settings.data)["master"]
    found = {
        "room": room,
        "url": f"http://{settings.host}:{settings.gateway_port}/v1/rooms/{quote(room, safe='')}/events",
        "bearer_key": bearer_key(master, room),
        "webhook_secret": webhook_secret(master, room),
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for name, value in found.items():
            typer.echo(f"{name:15} {value}")
