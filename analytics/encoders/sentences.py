"""Any model of sentence-transformers in a folder (extra ``models``): on the GPU where there is one, else on the CPU.

What such a model gives is cut or filled up to :data:`~analytics.encoders.base.DIMENSIONS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analytics.encoders.base import DIMENSIONS, Rows, unit
from analytics.fold import widths
from streams.records import InvalidError

READ = 512  # code points of a text that are read: bounds time and memory


class SentenceEncoder:
    """A sentence-transformers model. Texts go through it one shape at a time, so that company changes no row."""

    def __init__(self, folder: Path, *, device: str = "") -> None:
        try:
            import torch
            from safetensors import SafetensorError
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise InvalidError(f"{folder} is a model of sentence-transformers: install livetide[models] to use it") from error
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model: Any = SentenceTransformer(str(folder), device=self.device, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise InvalidError(f"{folder} holds no model of sentence-transformers, or it is damaged: {error}") from error
        self._model = model.eval()
        self.name = folder.name

    def encode(self, texts: Sequence[str]) -> Rows:
        if not texts:
            return np.zeros((0, DIMENSIONS), np.float32)
        read = [_readable(text) for text in texts]
        new = list(dict.fromkeys(read))
        # alone each: rows of a padded batch hang on the company, in the last bits
        made = dict(zip(new, (self._one(text) for text in new), strict=True))
        rows = np.stack([made[text] for text in read])
        return unit(rows)

    def _one(self, text: str) -> Rows:
        given = np.asarray(self._model.encode([text], convert_to_numpy=True, show_progress_bar=False), np.float32)[0]
        row = np.zeros(DIMENSIONS, np.float32)
        row[: min(len(given), DIMENSIONS)] = given[:DIMENSIONS]
        return row


def _readable(text: str) -> str:
    return widths(text[:READ]).encode("utf-8", "replace").decode().replace("\0", " ")
