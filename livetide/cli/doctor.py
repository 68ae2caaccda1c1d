"""``livetide doctor``."""

from __future__ import annotations

import typer

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(as_json: bool = typer.Option(False, "--json", help="One JSON object a check and line.")) -> None:
    """Look for what is wrong with this machine or this installation, and say what to do.

    Exit code 1 when something is a problem; warnings are for you to weigh.
    """
    import json

    from livetide.cli.errors import FAILED
    from livetide.doctor import examine
    from livetide.settings import Settings

    findings = examine(Settings())
    for finding in findings:
        if as_json:
            typer.echo(json.dumps(finding._asdict(), ensure_ascii=False))
            continue
        typer.secho(f"{finding.verdict:8}", fg=COLOURS[finding.verdict], nl=False)
        typer.echo(f" {finding.name:12} {finding.found}")
        if finding.advice:
            typer.echo(f"{'':21} → {finding.advice}")
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(FAILED)
