"""``livetide query SQL``: a question to the store, answered in any of ClickHouse's formats."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from storage.client import Address


def query(
    sql: str = typer.Argument(help="One statement; - reads it from stdin.", metavar="SQL"),
    format: str = typer.Option(
        "PrettyCompact", "--format", "-f", help="As ClickHouse names them: TSVWithNames, JSONEachRow, …"
    ),
    param: list[str] = typer.Option([], "--param", help="NAME=VALUE for a {NAME:Type} in the statement. May be repeated."),
) -> None:
    """Ask the store and stream the answer to stdout, as the user who may only read.

    Tables live in the database `live`: danmaku, sales, alerts, highlights, clips, chat_minutes, sales_minutes and others
    (`SHOW TABLES`). With LIVETIDE_CLICKHOUSE the question goes to that server, by HTTP (LIVETIDE_CLICKHOUSE_HTTP_PORT),
    as LIVETIDE_CLICKHOUSE_READER or read-only.
    """
    from livetide import addresses
    from livetide.stack.state import needed
    from storage.client import Address

    text = sys.stdin.read() if sql == "-" else sql
    if not text.strip():
        raise typer.BadParameter("the statement is empty", param_hint="SQL")
    named = _parameters(param)
    settings = needed(store=True)
    address, where = Address.parse(addresses.reading(settings)), addresses.reading_http(settings)
    embedded = not (settings.clickhouse.get_secret_value() or settings.clickhouse_reader.get_secret_value())
    parameters = {
        "default_format": format,
        **named,
        **{name: str(value) for name, value in address.settings.items()},
    }
    _stream(address, where, text, parameters, embedded=embedded)


def _parameters(given: list[str]) -> dict[str, str]:
    parameters = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.isidentifier():
            raise typer.BadParameter(f"{item!r} must read NAME=VALUE", param_hint="--param")
        parameters[f"param_{name}"] = value
    return parameters


def _stream(address: Address, where: str, text: str, parameters: dict[str, str], *, embedded: bool) -> None:
    import httpx

    from livetide.cli.errors import NOT_RUNNING
    from streams.records import InvalidError, RetryError

    try:
        with httpx.stream(
            "POST", where, params={"database": address.database, **parameters}, content=text.encode(),
            timeout=httpx.Timeout(300, connect=5), auth=(address.user, address.password), trust_env=False,
        ) as answer:  # fmt: skip
            if answer.status_code != 200:
                answer.read()
                raise InvalidError(answer.text.strip()[:2000] or f"{where} answers {answer.status_code}")
            said = False
            for piece in answer.iter_bytes():
                said = said or bool(piece)
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        if not said and (sys.stderr.isatty() or parameters["default_format"].startswith("Pretty")):
            typer.echo("no rows: the question is right, and nothing in the store fits it", err=True)
    except httpx.ConnectError as error:
        if embedded:
            typer.echo(f"livetide: no store answers at {where}: `livetide up` starts one", err=True)
            raise typer.Exit(NOT_RUNNING) from error
        raise RetryError(f"no ClickHouse answers by HTTP at {where}: {error}") from error
    except httpx.HTTPError as error:
        raise RetryError(f"the answer of {where} broke off ({type(error).__name__}): it is not complete") from error
