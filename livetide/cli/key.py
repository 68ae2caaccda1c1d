"""``livetide key ROOM``: what a sender of this room's events needs."""

from __future__ import annotations

import typer

NAMES = {"bearer": "bearer key", "webhook": "webhook secret"}


def key(
    room: str = typer.Argument(help="The room's id, as in the address that events are posted to.", metavar="ROOM"),
    rotate: bool = typer.Option(False, "--rotate", help="First revoke the room's bearer key and make another."),
    rotate_webhook: bool = typer.Option(False, "--rotate-webhook", help="First revoke its webhook secret and make another."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object."),
) -> None:
    """Print the bearer key of a room, and the secret with which its webhooks are signed (Standard Webhooks).

    A running gateway of this data folder refuses a revoked key within two seconds. Other rooms' keys stay as they are. Gateways
    on other machines need the file room_keys.json of this data folder.
    """
    import json
    from urllib.parse import quote

    from livetide import addresses
    from livetide.settings import Settings, load_secrets
    from livetide.stack.state import connected
    from streams.gateway import generations
    from streams.gateway.auth import bearer_key, webhook_secret
    from streams.gateway.border import check_name
    from streams.gateway.refused import RefusedError

    try:
        check_name("room", room)
    except RefusedError as error:
        raise typer.BadParameter(error.reason, param_hint="ROOM") from None
    settings = connected(Settings())
    master = load_secrets(settings.data)["master"]
    file = settings.data / generations.FILE
    purposes: list[generations.Purpose] = []
    if rotate:
        purposes.append("bearer")
    if rotate_webhook:
        purposes.append("webhook")
    if purposes:
        now = generations.advance(file, room, *purposes)
        typer.echo(f"the old {' and '.join(NAMES[one] for one in purposes)} of {room} is revoked ({file})", err=True)
    else:
        now = generations.read(file).get(room, generations.FIRST)
    found = {
        "room": room,
        "url": f"{addresses.gateway(settings)}/v1/rooms/{quote(room, safe='')}/events",
        "bearer_key": bearer_key(master, room, now.bearer),
        "webhook_secret": webhook_secret(master, room, now.webhook),
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for name, value in found.items():
            typer.echo(f"{name:15} {value}")
