"""The reference pages of the documentation, made from the code they describe.

``python -m livetide.reference docs`` (``make docs``) writes them; a test checks that what is committed is what this makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from livetide.metrics import METRICS
from livetide.settings import Settings
from streams import topics

MADE = "<!-- made by `make docs`: change the code, not this page -->\n\n"


def pages() -> dict[str, str]:
    """Every generated page: file name under ``docs/reference`` and its text."""
    return {
        "topics.md": MADE + _topics(),
        "asyncapi.json": json.dumps(topics.asyncapi(_default_partitions()), ensure_ascii=False, indent=1, sort_keys=True)
        + "\n",
        "settings.md": MADE + _settings(),
        "metrics.md": MADE + _metrics(),
    }


def _default_partitions() -> int:
    return int(Settings.model_fields["partitions"].default)


def _topics() -> str:
    return (
        "# Topics\n\nFrom `streams/topics.py`; records are msgpack, their schemas are in `asyncapi.json`. "
        "Beside these, each agent has a compacted topic `livetide.checkpoint.<agent>`.\n\n" + topics.markdown_table()
    )


def _settings() -> str:
    rows = [
        "# Settings\n",
        "Environment variables, from `livetide/settings.py`.\n",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.default
        text = "" if str(default) in ("", "**********") else f"`{str(default).replace(str(Path.home()), '~')}`"
        rows.append(f"| `LIVETIDE_{name.upper()}` | {text} | {field.description} |")
    return "\n".join(rows) + "\n"


def _metrics() -> str:
    rows = ["# Metrics\n", "Every process serves them at `/metrics`, with the operator key.\n"]
    rows += ["| name | kind | labels | meaning |", "|---|---|---|---|"]
    for name, metric in METRICS.items():
        rows.append(f"| `livetide_{name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help} |")
    return "\n".join(rows) + "\n"


def main(folder: Path) -> None:
    target = folder / "reference"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text, encoding="utf-8")
        print(f"{target / name}: {len(text)} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
