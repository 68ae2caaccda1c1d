"""Text encoders: ``load_encoder(name).encode(texts)`` gives unit rows of 768 ``float32``.

| name | what | CPU a text |
|---|---|---|
| ``static`` | a table of what character grams mean, shipped | 30 µs |
| ``semantic`` | a small transformer for Chinese, tuned on questions of live commerce, shipped | 2-3 ms |
| ``lexical`` | hashed character grams: wording alone | 10 µs |
| a path | a model of ``livetide train encoder``, or a folder of sentence-transformers (extra ``models``) | |

The rows of ``static`` and ``semantic`` lie in one space. Every encoder keeps the same bargain (tests: ``check_encoder``): the
same text gives the same row to the bit, alone or in a batch, in any process of this machine; a row has length 1, and the row
of a text with nothing in it is a unit row as well.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from analytics.encoders.base import DIMENSIONS, Encoder, Rows
from analytics.encoders.directions import Directions
from streams.records import InvalidError

__all__ = ["DIMENSIONS", "Directions", "Encoder", "Rows", "load_encoder"]


@cache
def load_encoder(name: str = "static") -> Encoder:
    """The encoder of that name, or of that file or folder.

    Raises :class:`InvalidError` for one that is not there, is damaged, or was written for another version.
    """
    from analytics.encoders import lexical, semantic, table  # what is not asked for is not read
    from analytics.model_file import load_shipped

    if name == "static":
        return table.StaticEncoder(load_shipped("static.npz", table.KIND, table.VERSION))
    if name == "semantic":
        return semantic.SemanticEncoder(load_shipped("semantic.npz", semantic.KIND, semantic.VERSION))
    if name == "lexical":
        return lexical.LexicalEncoder()
    return _from_path(Path(name))


def _from_path(path: Path) -> Encoder:
    from analytics.encoders import semantic, table
    from analytics.model_file import card_of, load_model

    if path.is_dir():
        from analytics.encoders.sentences import SentenceEncoder

        return SentenceEncoder(path)
    if not path.exists():
        raise InvalidError(f"no encoder {str(path)!r}: name 'static', 'semantic', 'lexical', a model file or a folder of one")
    if card_of(path).kind == table.KIND:
        return table.StaticEncoder(load_model(path, table.KIND, table.VERSION))
    return semantic.SemanticEncoder(load_model(path, semantic.KIND, semantic.VERSION))
