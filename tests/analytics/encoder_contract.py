"""One battery for every text encoder: shape, unit rows, determinism, batch = single, hostile text, threads and forks."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np

from analytics.encoders import DIMENSIONS, Encoder, load_encoder

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    "多少钱", "怎么卖", "这个多少钱啊", "打游戏卡不卡", "", " ", "？？？", "[doge]", "hello world", "\0", "\ufdfa" * 100,
    "a" * 100_000, "👩\u200d" * 1000, "\ud800", "مرحبا", "ありがとう", "多少錢",
]  # fmt: skip


def check_encoder(encoder: Encoder) -> None:
    """Run the battery in this process."""
    rows = encoder.encode(TEXTS)
    assert rows.shape == (len(TEXTS), DIMENSIONS)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, DIMENSIONS)
    np.testing.assert_array_equal(encoder.encode(TEXTS), rows, err_msg="the second time is another")
    for text, row in zip(TEXTS, rows, strict=True):
        np.testing.assert_array_equal(encoder.encode([text])[0], row, err_msg=f"alone is another: {text[:20]!r}")
    np.testing.assert_array_equal(encoder.encode(TEXTS[::-1])[::-1], rows, err_msg="the order changes rows")
    with ThreadPoolExecutor(4) as pool:
        for other in pool.map(encoder.encode, [TEXTS] * 8):
            np.testing.assert_array_equal(other, rows, err_msg="a thread gets another")
    assert encoder.name


def check_encoder_processes(name: str) -> None:
    """A forked process and processes with other string hashes give the same rows."""
    own = fingerprint(name)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(fingerprint, (name,)) == own, "a forked process gets other rows"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.analytics.encoder_contract", name],
            capture_output=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == own, "rows hang on the process"


def fingerprint(name: str) -> str:
    return sha256(load_encoder(name).encode(TEXTS).tobytes()).hexdigest()


if __name__ == "__main__":
    print(fingerprint(sys.argv[1]))
