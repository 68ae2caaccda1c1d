"""The reference pages of the documentation, made from the code they describe.

``python -m livetide.reference docs`` (``make docs``) writes them; a test checks that what is committed is what this makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from livetide.metrics import METRICS
from livetide.settings import Settings
from livetide.tables import Relation, relations
from livetide.variables import allowed_of
from streams import topics

MADE = "<!-- made by `make docs`: change the code, not this page -->\n\n"


def pages() -> dict[str, str]:
    """Every generated page: file name under ``docs/reference`` and its text."""
    return {
        "commands.md": MADE + _commands(),
        "topics.md": MADE + _topics(),
        "asyncapi.json": json.dumps(topics.asyncapi(_default_partitions()), ensure_ascii=False, indent=1, sort_keys=True)
        + "\n",
        "settings.md": MADE + _settings(),
        "metrics.md": MADE + _metrics(),
        "schema.md": MADE + _schema(relations()),
    }


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its full name (``alerts list``), groups before what is in them."""
    from livetide.cli import COMMANDS
    from livetide.cli.lazy import load

    for name, (target, _) in COMMANDS.items():
        command = load(name, target)
        yield name, command
        for child, below in sorted(getattr(command, "commands", {}).items()):
            yield f"{name} {child}", below


def _commands() -> str:
    from livetide.cli import EPILOG

    parts = [f"# Commands\n\nWhat `livetide --help` and `livetide COMMAND --help` say, on one page. {EPILOG}\n"]
    for name, command in commands():
        group = hasattr(command, "commands")
        level = "##" if " " not in name else "###"
        parts.append(f"{level} livetide {name}\n")
        if not group:
            parts.append(f"```\n{_usage(name, command)}\n```\n")
        parts.append(_prose(command.help or "") + "\n")
        if not group and command.params:
            parts.append(table(("argument or option", "default", "meaning"), [_parameter(one) for one in command.params]))
    return "\n".join(parts)


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _usage(name: str, command: Any) -> str:
    words = [f"livetide {name}"]
    if any(one.param_type_name == "option" for one in command.params):
        words.append("[OPTIONS]")
    for one in command.params:
        if one.param_type_name == "argument":
            shown = one.metavar or one.name.upper()
            words.append(shown if one.required else f"[{shown}]")
    return " ".join(words)


def _parameter(one: Any) -> tuple[str, str, str]:
    if one.param_type_name == "argument":
        shown = f"`{one.metavar or one.name.upper()}`"
    else:
        shown = ", ".join(f"`{name}`" if one.is_flag else f"`{name} VALUE`" for name in (*one.opts, *one.secondary_opts))
    default = "required" if one.required else "" if one.default in (None, "", False, []) else f"`{one.default}`"
    if one.param_type_name == "option" and one.secondary_opts:
        default = f"`{one.opts[0] if one.default else one.secondary_opts[0]}`"
    variable = f" Also `{one.envvar}`." if one.envvar else ""
    return shown, default, f"{one.help or ''}{variable}"


# ── Topics, settings, metrics ────────────────────────────────────────────────────────────────────────────────────────


def _default_partitions() -> int:
    return int(Settings.model_fields["partitions"].default)


def _topics() -> str:
    return (
        "# Topics\n\nFrom `streams/topics.py`; records are msgpack, their schemas are in [asyncapi.json](asyncapi.json). "
        "Beside these, each agent has a compacted topic `livetide.checkpoint.<agent>`. The console and `livetide query` read "
        "the store, not Kafka.\n\n"
        + topics.markdown_table()
        + "\n## How long Kafka keeps them\n\n"
        + table(("topic", "kept"), [(f"`{topic.name}`", _kept(topic)) for topic in topics.TOPICS.values()])
    )


def _kept(topic: topics.Topic) -> str:
    return "the newest record of each key" if topic.compacted else f"{topic.retention_ms // topics.DAY} days"


def _settings() -> str:
    return (
        "# Settings\n\nEnvironment variables, from `livetide/settings.py`. A value that a setting cannot take ends a command "
        "with code 2 and says what it takes; a `LIVETIDE_…` variable that nobody reads is told on stderr, with the nearest "
        "that is one.\n\n"
    ) + table(
        ("variable", "default", "meaning"),
        [
            (f"`LIVETIDE_{name.upper()}`", _default(field.default), _meaning(field))
            for name, field in Settings.model_fields.items()
        ],
    )


def _meaning(field: FieldInfo) -> str:
    allowed = allowed_of(field)
    return (field.description or "") + (f" Takes {allowed}." if allowed else "")


def _default(value: object) -> str:
    text = str(value)
    return "" if text in ("", "**********") else f"`{text.replace(str(Path.home()), '~')}`"


def _metrics() -> str:
    return (
        "# Metrics\n\nEvery process serves them at `/metrics`, with the operator key. Prometheus sees a counter with "
        "`_total` behind its name, and a histogram as `_bucket`, `_sum` and `_count`.\n\n"
        + table(
            ("name", "kind", "labels", "meaning"),
            [(f"`livetide_{name}`", metric.kind, ", ".join(metric.labels), metric.help) for name, metric in METRICS.items()],
        )
    )


# ── The store ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _schema(found: Sequence[Relation]) -> str:
    parts = [
        "# Tables and views\n\nThe database `live`, from `storage/schema/*.sql`. The same comments are in the store: "
        "`SELECT name, comment FROM system.tables WHERE database = 'live'`. How to connect is in [data.md](../data.md).\n",
        table(
            ("name", "kind", "what it holds"),
            [(f"[`{one.name}`](#{one.name})", one.kind, one.comment) for one in found],
        ),
    ]
    for one in found:
        facts = [f"{name}: `{text}`" for name, text in (("Engine", one.engine), ("ordered by", one.order), ("kept", one.ttl))
                 if text]  # fmt: skip
        parts.append(f"## {one.name}\n\n{one.comment}." + (f" {', '.join(facts)}." if facts else "") + "\n")
        rows = [(f"`{column.name}`", f"`{column.type}`" if column.type else "", column.comment) for column in one.columns]
        if one.follows:
            parts.append(f"The columns of [`{one.follows}`](#{one.follows}).\n")
        else:
            head = ("column", "type", "meaning")
            parts.append(table(head, rows) if any(row[2] for row in rows) else _names(one))
    return "\n".join(parts)


def _names(one: Relation) -> str:
    return "Columns: " + ", ".join(f"`{column.name}`" for column in one.columns) + ".\n"


def main(folder: Path) -> None:
    target = folder / "reference"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text, encoding="utf-8")
        print(f"{target / name}: {len(text)} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
