"""Groups of live questions: the product's own, put to the lines of a file; the plain leader; and what the outcome tells."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.encoders import load_encoder
from analytics.evaluation.data import Labelled
from analytics.evaluation.groups import default_pace, evaluate_groups, group_texts, leader_groups
from analytics.groups import WINDOW_MS

LEXICAL = load_encoder("lexical")
LINES = [
    ("price", "多少钱"), ("-", "哈哈哈"), ("ship", "包邮吗"), ("price", "多少钱啊"), ("-", "666"), ("ship", "包邮吗？"),
    ("price", "多少钱"), ("wash", "能机洗吗"), ("-", "来了来了"), ("wash", "能不能机洗"),
]  # fmt: skip


def labelled(rows: list[tuple[str, str]]) -> Labelled:
    return Labelled("groups.tsv", rows, list(range(1, len(rows) + 1)), "", 1, 0)


def test_questions_join_as_they_do_in_a_room_and_chatter_joins_nothing() -> None:
    given = group_texts([text for _, text in LINES], encoder=LEXICAL)
    by_text = dict(zip([text for _, text in LINES], given, strict=True))
    assert given[0] is not None
    assert given[0] == given[3] == given[6]
    assert given[2] == given[5] != given[0]
    assert by_text["哈哈哈"] is by_text["666"] is by_text["来了来了"] is None
    assert group_texts([text for _, text in LINES], encoder=LEXICAL) == given


def test_what_comes_after_a_window_is_a_group_of_its_own() -> None:
    texts = ["多少钱", *["哈哈"] * 20, "多少钱"]
    near = group_texts(texts, encoder=LEXICAL, every_ms=1_000)
    assert near[0] == near[-1]
    far = group_texts(texts, encoder=LEXICAL, every_ms=5_000)
    assert None not in (far[0], far[-1])
    assert far[0] != far[-1]


@pytest.mark.parametrize("lines", [1, 40, 750, 20_000, 10**6])
def test_by_itself_a_file_lies_in_one_window(lines: int) -> None:
    pace = default_pace(lines)
    assert 1 <= pace <= 1_000
    assert pace == 1 or pace * lines < WINDOW_MS


def test_a_file_of_any_length_is_read_to_its_end() -> None:
    texts = [f"{n}号链接多少钱" for n in range(230)]
    done: list[tuple[int, int]] = []
    given = group_texts(texts, encoder=LEXICAL, progress=lambda at, of: done.append((at, of)))
    assert len(given) == 230
    assert None not in given
    assert done[-1] == (230, 230)
    assert group_texts([], encoder=LEXICAL) == []


def test_the_plain_leader() -> None:
    texts = ["这件多少钱", "这件多少钱呀", "包邮吗", "", "", "包邮吗"]
    given = leader_groups(texts, 0.5)
    assert given[0] == given[1]
    assert given[2] == given[5]
    assert len(set(given)) == 4, "texts with nothing in them have nothing in common"
    assert len(set(leader_groups(texts, 1.01))) == 6
    assert len(set(leader_groups(["abc", "abd", "xyz"], 0.0001))) == 2


def test_the_outcome_says_what_was_torn_and_what_was_mixed() -> None:
    given = ["a", "a", "b", "a", None, "b", "c", "d", None, "d"]
    found = evaluate_groups(labelled(LINES), given, "a test", np.random.default_rng(0))
    told = found.as_json()
    # together on the gold side 3 + 1 + 1 pairs; given a: 3, b: 1, d: 1; both: price 1, ship 1, wash 1
    assert told["pairwise_f1"] == pytest.approx(2 * 3 / (5 + 5))
    assert set(told) >= {"n", "pairwise_f1_interval", "ari", "ari_interval"}
    assert told["notes"][:2] == ["7 lines in 3 groups and 3 of chatter", "lines of chatter taken for questions: 1"]
    torn, mixed = found.examples
    assert torn.rows == [("price", "3", "2", "多少钱 / 多少钱啊")]
    assert mixed.rows == [("3", "price 2, - 1", "多少钱 / 哈哈哈 / 多少钱啊")]
