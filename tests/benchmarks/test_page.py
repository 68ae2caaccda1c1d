"""The page of the benchmarks: figures against aims, and the generated block between its markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import BEGIN, END, figure, markdown, number, replace_block
from benchmarks.promises import BENCHMARKS, Row

PAGE = Path(__file__).parents[2] / "benchmarks" / "README.md"
MACHINE = {
    "cpu": "a processor", "cores": 2, "memory_gb": 8, "kernel": "6.1", "python": "3.11", "versions": {"chdb": "4"}, "peers": {},
}  # fmt: skip
KILLS = [
    {"what": "restarted", "silence_s": 3.0},
    {"what": "restarted", "silence_s": 5.0},
    {"what": "taken over", "silence_s": 7.0},
]


def document(**more: Any) -> dict[str, Any]:
    one = {"load_before": 0.1, "busy_before": 0.0, "seconds": 60.0} | more
    return {"date": "2026-01-01", "short": False, "machine": MACHINE, "benchmarks": {"worker_kill": one}}


@pytest.mark.parametrize(("sign", "value", "met"), [("≥", 10, True), ("≥", 9.9, False), ("≤", 10, True), ("≤", 10.1, False)])
def test_an_aim_is_met_or_missed(sign: str, value: float, met: bool) -> None:
    assert Row("work", value, "s", (sign, 10)).met is met


def test_what_only_stands_beside_has_no_verdict() -> None:
    assert Row("work", 1, "s").met is None


@pytest.mark.parametrize(
    ("value", "text"), [(447_675, "448,000"), (1234.5, "1,230"), (0.8934, "0.893"), (2, "2"), (31.27, "31.3"), (100, "100")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_worst_round_of_a_kill_counts() -> None:
    restarted, taken = BENCHMARKS["worker_kill"].rows(KILLS)
    assert (restarted.value, restarted.met) == (5.0, False)
    assert (taken.value, taken.met) == (7.0, True)
    assert figure(taken) == "7 s"


def test_the_block_tells_figures_aims_and_misses() -> None:
    text = markdown(document(figures=KILLS))
    assert "| kill -9 of a worker with one agent to its next output, restarted | 5 s | ≤ 4 | **no** |" in text
    assert "a processor, 2 cores, 8 GB of memory" in text
    assert "others worked" not in text


def test_the_block_says_when_the_machine_was_busy_and_when_nothing_was_measured() -> None:
    text = markdown(document(failed="it broke", busy_before=1.7))
    assert "| worker_kill | failed |" in text
    assert "others worked on the machine" in text


def test_only_what_is_between_the_markers_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replace_block(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="markers"):
        replace_block("no markers", "new")


def test_the_page_has_the_markers_and_names_every_benchmark() -> None:
    text = PAGE.read_text(encoding="utf-8")
    replace_block(text, "")
    assert not [name for name in BENCHMARKS if f"| `{name}`" not in text]
    folder = PAGE.parent
    assert not [name for name in BENCHMARKS if not (folder / f"{name}.py").exists() and not (folder / name).is_dir()]
