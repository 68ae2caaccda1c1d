"""Which rows are nearest to a direction: four ways of searching, all of which only propose; the caller scores exactly.

| kind | finds candidates by | for |
|---|---|---|
| ``flat`` | every row, one product of a matrix | up to a few thousand rows; exact |
| ``scan`` | every row in 192 bytes, read by SIMD (faiss ``IndexPQFastScan``) | more than that, whatever they are like |
| ``ivf`` | the rows of the nearest cells (faiss ``IndexIVFFlat``) | to compare with |
| ``hnsw`` | a graph of neighbours (faiss ``IndexHNSWFlat``) | to compare with |
| ``gpu`` | every row, on a GPU (``faiss-gpu``, ``IndexFlatIP`` moved there) | where there is one |

``scan`` is what a large index uses. Product quantisation with 16 words for every two dimensions (Jégou et al. 2011; read as
André et al. 2015 do) knows every row roughly; its 300 best are scored exactly. Unlike cells and graphs that hangs on nothing
that the rows have in common: ``python -m benchmarks.faq`` measures all of them on three kinds of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from analytics.encoders.base import DIMENSIONS, Rows

Kind = Literal["flat", "scan", "ivf", "hnsw", "gpu"]
Places = npt.NDArray[np.int64]
Search = Callable[[Rows, int], Places]
"""Places of at least that many rows that may be the nearest to one direction (768), as far as there are so many."""

FLAT_ROWS = 3_000  # up to here a plain product takes under a millisecond
CANDIDATES = 300  # that a rough search hands over: 60 for each of five
_SAMPLE = 20_000  # rows that a quantiser is trained on
_ROUNDS = 10
_TABLES = DIMENSIONS // 2  # of 16 words each
_CELLS, _PROBED = 512, 64
_LINKS, _BUILT_WITH, _SEARCHED_WITH = 16, 60, 256
_GPU_MOST = 2_048  # places that faiss finds at once on a GPU
_SLACK = 1e-5  # what rounding may do to a product of float32


def kind_for(count: int, *, gpu: bool = False) -> Kind:
    """How so many rows are searched; on a GPU where one is asked for and there is one."""
    if gpu and gpus():
        return "gpu"
    return "flat" if count <= FLAT_ROWS else "scan"


def searcher(rows: Rows, kind: Kind) -> Search:
    """A search over ``rows``, float32 (n, 768) of length 1. ``gpu`` without one is the same search on the CPU."""
    if kind == "flat" or len(rows) < _CELLS:
        return _flat(rows)
    index = {"scan": _scan, "ivf": _ivf, "hnsw": _hnsw, "gpu": _on_gpu}[kind](rows)
    least = CANDIDATES if kind in ("scan", "gpu") else 0
    bound = _GPU_MOST if kind == "gpu" else len(rows)

    def search(row: Rows, most: int) -> Places:
        _, found = index.search(row.reshape(1, -1), min(len(rows), bound, max(most, least)))
        places: Places = found[0][found[0] >= 0]
        return places

    return search


def gpus() -> int:
    """How many GPUs faiss can use: none unless ``faiss-gpu`` is installed."""
    return int(getattr(_faiss(), "get_num_gpus", lambda: 0)())


def _on_gpu(rows: Rows) -> Any:
    """All rows on the first GPU, as float16; on the CPU, as they are, where there is none."""
    faiss, index = _faiss(), _exact(rows)
    if not gpus():
        return index
    options = faiss.GpuClonerOptions()
    options.useFloat16 = True
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index, options)


def _flat(rows: Rows) -> Search:
    def search(row: Rows, most: int) -> Places:
        alike = rows @ row
        if most >= len(alike):
            return np.arange(len(alike))
        last = np.partition(alike, len(alike) - most)[len(alike) - most]
        return np.flatnonzero(alike >= last - _SLACK)

    return search


def _exact(rows: Rows) -> Any:
    index = _faiss().IndexFlatIP(DIMENSIONS)
    index.add(rows)
    return index


def _scan(rows: Rows) -> Any:
    faiss = _faiss()
    index = faiss.IndexPQFastScan(DIMENSIONS, _TABLES, 4, faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.niter = _ROUNDS
    index.train(_sample(rows))
    index.add(rows)
    return index


def _ivf(rows: Rows) -> Any:
    faiss = _faiss()
    index = faiss.IndexIVFFlat(_exact(rows[:0]), DIMENSIONS, _CELLS, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.min_points_per_centroid, index.nprobe = _ROUNDS, 1, _PROBED
    index.train(_sample(rows))
    index.add(rows)
    return index


def _hnsw(rows: Rows) -> Any:
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(DIMENSIONS, _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = _BUILT_WITH, _SEARCHED_WITH
    index.add(rows)
    return index


def _sample(rows: Rows) -> Rows:
    """Rows spread over all of them."""
    places = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.intp)
    return np.ascontiguousarray(rows[places])


@cache
def _faiss() -> Any:
    import faiss  # takes a third of a second, and a small index needs none of it

    faiss.omp_set_num_threads(1)
    return faiss
