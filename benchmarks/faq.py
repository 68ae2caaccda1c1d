"""FAQ look-up: the five entries nearest to a question, by kind of search, beside brute force in numpy in the same run.

Three kinds of rows: ``texts``, what the encoder makes of questions put together from pieces; ``clusters``, noise around 5,000
centres; ``noise``, rows with nothing in common, the hardest there are for a search that skips most of them. Recall is against
exact search, equals counted as equal. One core; ``cpu_p99_ms`` leaves out the time that the core was somebody else's.

    python -m benchmarks.faq [--rows 3000 100000] [--questions 500] [--encoder static] [--all]

Without ``--all`` the kinds that the product uses by size are measured, and all kinds on ``texts`` only: a graph of 100,000
rows takes a minute or two to build.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is loaded

import numpy as np

from analytics.encoders import DIMENSIONS, Encoder, Rows, load_encoder
from analytics.faq_index import FaqIndex
from analytics.faq_search import Kind, kind_for

MOST = 5
KINDS: tuple[Kind, ...] = ("flat", "scan", "ivf", "hnsw")
_GOODS = (
    "羽绒马甲", "空气炸锅", "不粘锅", "儿童凉鞋", "电饭煲", "蓝牙耳机", "防晒衣", "扫地机", "面膜", "口红",
    "瑜伽裤", "保温杯", "行李箱", "蚕丝被", "牛仔裤", "婴儿车", "钓鱼竿", "猫粮", "键盘", "台灯",
)  # fmt: skip
_ABOUT = (
    "尺码", "颜色", "材质", "重量", "容量", "功率", "保修", "运费", "赠品", "库存",
    "产地", "保质期", "口味", "噪音", "电池", "面料", "厚度", "包装", "发票", "退换",
)  # fmt: skip
_ASKS = (
    "有没有", "是多少", "怎么选", "能不能换", "要多久", "够不够", "会不会坏", "在哪看", "几种", "哪个好",
    "合适吗", "怎么算", "可以吗", "包含吗", "谁来付", "多大", "还有吗", "真的吗", "几天", "为啥",
)  # fmt: skip
_WHO = (
    "我妈", "孩子", "一米六", "敏感肌", "南方", "宿舍", "办公室", "新手", "送人", "孕妇",
    "学生", "老人", "油皮", "大脚", "上班", "露营", "租房", "出差", "夏天", "冬天",
)  # fmt: skip


def unit(rows: Any) -> Rows:
    made: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def texts(count: int, encoder: Encoder) -> Rows:
    """Distinct questions; questions of the same product and subject are near each other, as in a shop."""
    pieces = np.random.default_rng(1).permutation(20**4)[:count]
    said = [f"{_GOODS[n % 20]}{_ABOUT[n // 20 % 20]}{_ASKS[n // 400 % 20]}{_WHO[n // 8000]}" for n in pieces.tolist()]
    return np.concatenate([encoder.encode(said[start : start + 2_000]) for start in range(0, count, 2_000)])


def clusters(count: int) -> Rows:
    rng = np.random.default_rng(2)
    centres = unit(rng.standard_normal((5_000, DIMENSIONS), np.float32))
    return unit(centres[rng.integers(0, 5_000, count)] + 0.035 * rng.standard_normal((count, DIMENSIONS), np.float32))


def noise(count: int) -> Rows:
    return unit(np.random.default_rng(3).standard_normal((count, DIMENSIONS), np.float32))


def timed(search: Callable[[Rows], Any], asked: Rows) -> tuple[list[Any], dict[str, float]]:
    for row in asked[:20]:
        search(row)
    found, took, worked = [], [], []
    for row in asked:
        began, busy = time.perf_counter(), time.thread_time()
        found.append(search(row))
        worked.append((time.thread_time() - busy) * 1e3)
        took.append((time.perf_counter() - began) * 1e3)
    halves = {"p50_ms": np.median(took), "p99_ms": np.percentile(took, 99), "cpu_p99_ms": np.percentile(worked, 99)}
    return found, {name: round(float(value), 3) for name, value in halves.items()}


def recall(places: list[list[int]], asked: Rows, rows: Rows) -> float:
    """Share of what was found that is as near as the fifth of an exact search."""
    right = 0
    for row, own in zip(asked, places, strict=True):
        alike = rows @ row
        fifth = np.partition(alike, len(alike) - MOST)[len(alike) - MOST]
        right += int((alike[own] >= fifth - 1e-4).sum())
    return round(right / (MOST * len(asked)), 4)


def measure(name: str, rows: Rows, questions: int, kinds: tuple[Kind, ...]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    near = rows[rng.integers(0, len(rows), questions)]
    asked = unit(near + 0.7 / DIMENSIONS**0.5 * rng.standard_normal(near.shape, np.float32))  # cosine .82 to one of the rows

    def brute(row: Rows) -> list[int]:
        alike = rows @ row
        best = np.argpartition(-alike, MOST)[:MOST]
        return [int(place) for place in best[np.argsort(-alike[best])]]

    found, plain = timed(brute, asked)
    base = {"rows_are": name, "rows": len(rows)}
    figures = [base | {"kind": "numpy", "used": False} | plain | {"recall": recall(found, asked, rows)}]
    for kind in kinds:
        index = FaqIndex(load_encoder("lexical"), kind=kind)
        began = time.perf_counter()
        index.put_rows([f"{number:07}" for number in range(len(rows))], rows)
        built = round(time.perf_counter() - began, 1)
        hits, took = timed(lambda row, index=index: index.search_row(row, MOST), asked)  # type: ignore[misc] # its own index
        right = recall([[int(hit.key) for hit in one] for one in hits], asked, rows)
        used = kind == kind_for(len(rows))
        figures.append(base | {"kind": kind, "used": used} | took | {"recall": right, "build_s": built})
        print(json.dumps(figures[-1]), file=sys.stderr, flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[3_000, 100_000])
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--encoder", default="static")
    parser.add_argument("--all", action="store_true", help="all kinds of search on all kinds of rows")
    given = parser.parse_args()
    encoder = load_encoder(given.encoder)
    figures: list[dict[str, Any]] = []
    for count in given.rows:
        made: dict[str, Callable[[], Rows]] = {
            "texts": lambda count=count: texts(count, encoder),  # type: ignore[misc] # its own count
            "clusters": lambda count=count: clusters(count),  # type: ignore[misc]
            "noise": lambda count=count: noise(count),  # type: ignore[misc]
        }
        for name, make in made.items():
            kinds = KINDS if given.all or name == "texts" else (kind_for(count),)
            figures += measure(name, make(), given.questions, kinds)
    print(json.dumps({"encoder": given.encoder, "most": MOST, "searches": figures}, indent=1))


if __name__ == "__main__":
    main()
