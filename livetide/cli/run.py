"""``livetide run PROCESS``: one process in the foreground, as the stack, a container or a service manager runs it."""

from __future__ import annotations

from importlib import import_module

import typer

PROCESSES = ("kafka", "store", "setup", "gateway", "worker", "sink", "clipper", "host", "delivery", "console")


def run(
    process: str = typer.Argument(help=f"One of {', '.join(PROCESSES)}.", metavar="PROCESS"),
    agents: str = typer.Option("", help="The agents of a worker: names with commas between. Default: LIVETIDE_AGENTS, or all."),
    instance: str = typer.Option("", help="The name of a worker among its peers. Default: LIVETIDE_INSTANCE, or 1."),
) -> None:
    """Run one process until SIGTERM or Ctrl-C. It logs to stderr and serves /healthz, /readyz and /metrics.

    With a stack up in the same data folder it joins that stack (a second worker, for example); else it uses the settings.
    """
    if process not in PROCESSES:
        raise typer.BadParameter(f"{process!r} is no process: {', '.join(PROCESSES)}", param_hint="PROCESS")
    import logging

    from livetide import logs
    from livetide.cli.errors import FAILED
    from livetide.settings import load_secrets
    from livetide.stack.state import connected, load
    from streams.broker.ports import free_port
    from streams.records import LivetideError

    given = {name: value for name, value in (("agents", agents), ("instance", instance)) if value}
    settings = connected().model_copy(update=given)
    if "health_port" not in settings.model_fields_set and load(settings.data):
        settings = settings.model_copy(update={"health_port": free_port()})  # the stack has the default
    logs.set_up(settings.log_level, [*load_secrets(settings.data).values(), *settings.secret_values()])
    log = logging.getLogger("livetide")
    try:
        import_module(f"livetide.processes.{process}").run(settings)
    except Exception as error:
        known = isinstance(error, LivetideError) and settings.log_level.upper() != "DEBUG"
        level = logging.ERROR if known else logging.CRITICAL
        log.log(level, "%s stopped: %s: %s", process, type(error).__name__, error, exc_info=None if known else error)
        raise typer.Exit(FAILED) from None
