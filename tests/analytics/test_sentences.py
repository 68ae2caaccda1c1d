"""Models of sentence-transformers: a tiny one of random weights, made here, through the same battery as the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.encoders import DIMENSIONS, load_encoder
from analytics.encoders.sentences import SentenceEncoder
from streams.records import InvalidError
from tests.analytics.encoder_contract import check_encoder

pytestmark = pytest.mark.slow  # torch and transformers take seconds to import

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"这个多少钱怎么卖打游戏卡不发货吗包邮",
    *"abcdefghijklmnopqrstuvwxyz",
    "##a",
    "##b",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(1)
    parts = tmp_path_factory.mktemp("parts")
    (parts / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer(str(parts / "vocab.txt")).save_pretrained(str(parts))
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=600,
    )  # fmt: skip
    made_of: Any = BertModel
    made_of(config).save_pretrained(str(parts))
    model = SentenceTransformer(modules=[Transformer(str(parts)), Pooling(32)], device="cpu")
    made = tmp_path_factory.mktemp("tiny")
    model.save(str(made))
    return made


def test_a_folder_keeps_the_bargain(folder: Path) -> None:
    encoder = load_encoder(str(folder))
    assert isinstance(encoder, SentenceEncoder)
    assert encoder.name == folder.name
    assert encoder.device in ("cpu", "cuda")
    check_encoder(encoder)
    rows = encoder.encode(["多少钱", "怎么卖"])
    assert rows.shape == (2, DIMENSIONS)
    assert (rows[:, 32:] == 0).all(), "what the model does not give stays empty"
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InvalidError, match="no model of sentence-transformers"):
        load_encoder(str(tmp_path))
    for file in folder.rglob("*"):
        if file.is_file():
            copy = tmp_path / "damaged" / file.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes()[: 40 if file.suffix == ".safetensors" else None])
    with pytest.raises(InvalidError, match="damaged"):
        load_encoder(str(tmp_path / "damaged"))
