"""Run the benchmarks and hold the figures against what is promised.

    python -m benchmarks [NAME …] [--short] [--json] [--write] [--last] [--public FOLDER]

Each runs in a process of its own, one after another; what it says goes to ``build/benchmarks/NAME.log``, its figures to
``build/benchmarks.json``. Exit code 1 when an aim is missed, 2 when a benchmark failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.machine import busy, described, load, machine
from benchmarks.page import markdown, replace_block, table
from benchmarks.promises import BENCHMARKS, Row

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
PAGE = Path(__file__).parent / "README.md"


def run(name: str, *, short: bool, public: str) -> dict[str, Any]:
    """One benchmark; its figures, or why there are none."""
    benchmark = BENCHMARKS[name]
    arguments = [*(benchmark.short if short else benchmark.full)]
    if public and benchmark.public is not None:
        arguments.append(str(Path(public, benchmark.public)))
    found: dict[str, Any] = {"load_before": load(), "busy_before": busy()}
    began = time.monotonic()
    log = BUILD / "benchmarks" / f"{name}.log"
    with log.open("wb") as said:
        command = [sys.executable, "-m", f"benchmarks.{benchmark.module}", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=said, cwd=ROOT, check=False)
    found["seconds"] = round(time.monotonic() - began, 1)
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return found | {"failed": f"{lines[-1][:300] if lines else 'it said nothing'} (code {done.returncode}, {log})"}
    return found | {"figures": json.loads(done.stdout)}


def run_all(names: list[str], console: Console, *, short: bool, public: str) -> dict[str, Any]:
    """The document of one run."""
    (BUILD / "benchmarks").mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "short": short, "machine": machine(), "benchmarks": {},
    }  # fmt: skip
    columns = (TextColumn("{task.description:32}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        bar = bars.add_task("", total=len(names))
        for name in names:
            bars.update(bar, description=name)
            one = found["benchmarks"][name] = run(name, short=short, public=public)
            for line in [one["failed"]] if "failed" in one else [spoken(row) for row in rows_of(name, one)]:
                bars.console.print(f"  {line}", highlight=False, markup=False)
            bars.advance(bar)
        bars.update(bar, description="done")
    return found


def rows_of(name: str, one: dict[str, Any]) -> list[Row]:
    return BENCHMARKS[name].rows(one["figures"]) if "figures" in one else []


def spoken(row: Row) -> str:
    mark = {True: "✓", False: "✗", None: " "}[row.met]
    return f"{mark} {row.work}: {row.value:,g} {row.unit}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--short", action="store_true", help="fewer messages: to see that it runs, not for figures")
    parser.add_argument("--json", action="store_true", help="print build/benchmarks.json instead of the table")
    parser.add_argument("--write", action="store_true", help="write the figures into benchmarks/README.md; a whole run only")
    parser.add_argument("--last", action="store_true", help="run nothing: show the figures of the last run")
    parser.add_argument(
        "--public",
        default="",
        help="a folder of public data: danmaku/twitch_zh/*.jsonl.gz (ts_ms, user, text), paraphrase/, sentiment/",
    )
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {', '.join(unknown)}: choose from {', '.join(BENCHMARKS)}")
    console, path = Console(stderr=True), BUILD / "benchmarks.json"
    if given.last:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    else:
        found = run_all(given.names or list(BENCHMARKS), console, short=given.short, public=given.public)
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if given.write:
        if found["short"] or len(found["benchmarks"]) < len(BENCHMARKS):
            parser.error("only a whole run that is not short goes into the page")
        PAGE.write_text(replace_block(PAGE.read_text(encoding="utf-8"), markdown(found)), encoding="utf-8")
    if given.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        out = Console()
        out.print(described(found["machine"]), highlight=False)
        out.print(table(found))
    if any("failed" in one for one in found["benchmarks"].values()):
        return 2
    missed = [row for name, one in found["benchmarks"].items() for row in rows_of(name, one) if row.met is False]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
