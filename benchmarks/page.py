"""The figures of a run as a table for the terminal, and as the generated block of ``benchmarks/README.md``."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from benchmarks.machine import described
from benchmarks.promises import BENCHMARKS, Row

BEGIN = "<!-- made by `make bench ARGS=--write`: figures are not typed by hand -->"
END = "<!-- end of the figures -->"
BUSY_CORES = 0.5


def number(value: float) -> str:
    """Three digits are as many as a noisy machine can stand for."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def figure(row: Row) -> str:
    return f"{number(row.value)} {row.unit}"


def aim(row: Row) -> str:
    return f"{row.aim[0]} {row.aim[1]:,g}" if row.aim else ""


def verdict(row: Row) -> str:
    return {True: "yes", False: "**no**", None: ""}[row.met]


def table(found: dict[str, Any]) -> Table:
    """For the terminal."""
    shown = Table(box=None, pad_edge=False)
    for name in ("work", "figure", "aim", "met", "beside"):
        shown.add_column(name, overflow="fold")
    for name, one in found["benchmarks"].items():
        if "failed" in one:
            shown.add_row(name, "failed", "", "", one["failed"])
        else:
            for row in BENCHMARKS[name].rows(one["figures"]):
                shown.add_row(row.work, figure(row), aim(row), verdict(row).strip("*"), row.beside)
    return shown


def markdown(found: dict[str, Any]) -> str:
    """The generated block: day and machine, the table, how busy the machine was."""
    lines = [f"Measured on {found['date']} on {described(found['machine'])}", ""]
    lines += ["| work | figure | aim | met | beside it, in the same run |", "|---|---|---|---|---|"]
    for name, one in found["benchmarks"].items():
        if "failed" in one:
            lines.append(f"| {name} | failed | | **no** | it could not be measured in this run |")
        else:
            rows = BENCHMARKS[name].rows(one["figures"])
            lines += [f"| {row.work} | {figure(row)} | {aim(row)} | {verdict(row)} | {row.beside} |" for row in rows]
    return "\n".join([*lines, "", _busy(found)])


def _busy(found: dict[str, Any]) -> str:
    benchmarks = found["benchmarks"]
    seconds = sum(one["seconds"] for one in benchmarks.values())
    said = ", ".join(f"{name} {one['busy_before']:g} (load {one['load_before']:g})" for name, one in benchmarks.items())
    text = (
        f"The run took {seconds / 60:.0f} minutes. Cores that others kept busy just before each benchmark, and the load average"
        f" of the minute before, in which the benchmark before it may still show: {said}."
    )
    if max(one["busy_before"] for one in benchmarks.values()) > BUSY_CORES:
        text += (
            " Above half a core, others worked on the machine too: read ratios rather than figures there, and take times of"
            " waiting as upper bounds."
        )
    return text


def replace_block(page: str, block: str) -> str:
    """The page with ``block`` between its markers. Raises ``ValueError`` when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the markers {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"
