"""Sensitive words: plain, disguised, denied, asked, and everyday words that only sound like them."""

from __future__ import annotations

import gzip
import json
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.sensitive import SensitiveMatcher, UserPattern, load_matcher
from streams.records import InvalidError, SensitiveHit

TWITCH = Path(__file__).resolve().parents[3] / "shared/data/danmaku/twitch_zh"


def found(text: str) -> dict[str, SensitiveHit]:
    return {hit.word: hit for hit in load_matcher().find(text)}


@pytest.mark.parametrize(
    ("text", "word", "topic"),
    [
        ("这是假货", "假货", "counterfeit"),
        ("假貨！", "假货", "counterfeit"),
        ("质量太差了", "质量太差", "quality"),
        ("都是骗子", "骗子", "fraud"),
        ("用完烂脸了", "烂脸", "safety"),
        ("客服不理人", "客服不理人", "service"),
        ("还我钱", "还我钱", "refund"),
        ("我去12315投诉", "12315", "escalation"),
    ],
)
def test_plain_words(text: str, word: str, topic: str) -> None:
    hit = found(text)[word]
    assert (hit.topic, hit.disguised, hit.weight) == (topic, False, 1.0)


@pytest.mark.parametrize(
    ("text", "word", "weight"),
    [
        ("假 货", "假货", 1.0),
        ("假\u200b货", "假货", 1.0),
        ("质.量.差", "质量差", 1.0),
        ("假x货", "假货", 1.0),
        ("假🐶货", "假货", 1.0),
        ("亻叚货", "假货", 1.0),
        ("马扁子", "骗子", 1.0),
        ("土立土及", "垃圾", 1.0),
        ("叚货", "假货", 1.0),
        ("jia货", "假货", 0.8),
        ("假huo", "假货", 0.8),
        ("这家卖ｊｉａｈｕｏ", "假货", 0.8),
        ("ji\u0430货", "假货", 0.8),
        ("tui钱", "退钱", 0.8),
        ("甲货", "假货", 0.6),
        ("辣鸡", "垃圾", 0.6),
    ],
)
def test_disguises(text: str, word: str, weight: float) -> None:
    hit = found(text)[word]
    assert hit.disguised
    assert hit.weight == weight


@pytest.mark.parametrize(
    "text",
    ["这家伙真行", "嫁祸给我", "主播加货", "大家火了", "看片子", "放假了", "请假来看", "垃圾袋有吗", "不变形", "如假包换",
     "爆炸好看", "剧本杀", "这价格真好", "底纸", "国企", "售价多少", "卖家", "招架不住",
     "报警器多少钱", "假两件", "spianzin", "315000"],
)  # fmt: skip
def test_everyday_words(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize("text", ["不是假货", "绝对不是假货", "从没被骗过", "没有质量问题", "不会过敏的", "拒绝假货"])
def test_denials_are_no_hits(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize("text", ["难道不是假货", "不是假货才怪", "怎么全是假货？", "这不是假货吗", "买到假货怎么办"])
def test_rhetoric_is_a_claim(text: str) -> None:
    assert found(text)["假货"].weight == 1.0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("是假货吗？", "假货"),
        ("是不是假货", "假货"),
        ("会不会是假货", "假货"),
        ("有没有假货", "假货"),
        ("能退款吗", "退款"),
        ("用了过敏吗", "过敏"),
    ],
)
def test_questions_weigh_little(text: str, word: str) -> None:
    assert found(text)[word].weight == 0.3


def test_a_question_about_authenticity_says_nothing_bad() -> None:
    assert found("正品吗") == {}
    assert found("是正品吧") == {}


def test_the_caller_may_know_it_for_a_question() -> None:
    assert load_matcher().find("过期到哪天", asking=True)[0].weight < load_matcher().find("过期到哪天")[0].weight


def test_the_end_of_a_clause_joins_no_word() -> None:
    assert "质量差" not in found("有质量，差你一个")
    assert "错发" not in found("不错。发货快")
    assert found("垃。圾")["垃圾"].weight == 0.5


def test_each_word_once() -> None:
    hits = load_matcher().find("假货假货jia货假 货")
    assert [hit.word for hit in hits].count("假货") == 1


def test_advertising_is_kept_apart() -> None:
    host = load_matcher("advertising")
    assert [hit.word for hit in host.find("全网最低价，第一次见")] == ["全网最低"]
    assert host.find("最近第一次来，最后三件") == []
    assert found("全网最低价") == {}


def test_the_list_is_large_and_without_repeats() -> None:
    topics = tomllib.loads((files("analytics.data") / "sensitive.toml").read_text(encoding="utf-8"))["topics"]
    words = [word for topic in topics.values() for kind in ("strong", "weak") for word in topic[kind]]
    assert len(words) >= 150
    assert {topic: [w for w in topics[topic]["strong"] if w in topics[topic]["weak"]] for topic in topics} == {
        topic: [] for topic in topics
    }


def test_user_patterns_run_in_linear_time_on_re2() -> None:
    matcher = SensitiveMatcher({"topics": {}}, patterns=[UserPattern(r"(a+)+$", "own", 0.7), UserPattern("竞品[0-9]", "own")])
    assert [hit.weight for hit in matcher.find("看竞品3 " + "a" * 3000)] == [0.7, 1.0]
    assert matcher.find("a" * 3000 + "!") == []


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "(", "[z-a]"])
def test_a_pattern_that_re2_refuses_is_named(pattern: str) -> None:
    with pytest.raises(InvalidError, match="RE2"):
        SensitiveMatcher({"topics": {}}, patterns=[UserPattern(pattern, "own")])


def test_an_unknown_list_is_named() -> None:
    with pytest.raises(InvalidError, match="'nothing'"):
        load_matcher("nothing")


@given(st.text(st.sampled_from("假货质量差骗子jiahuo亻叚 x.!？不是吗🐶\u200b"), max_size=40))
def test_never_fails_and_never_repeats(text: str) -> None:
    hits = load_matcher().find(text)
    assert len({hit.word for hit in hits}) == len(hits)
    assert all(0 < hit.weight <= 1 for hit in hits)
    assert load_matcher().find(text) == hits


@pytest.mark.skipif(not TWITCH.exists(), reason="the open recordings are not beside the repository")
def test_sound_alone_is_rarely_taken_for_a_complaint_in_real_chat() -> None:
    """Of 20,000 distinct messages of a game stream, where 拉基 is a real disguise of 垃圾 and nothing else is."""
    with gzip.open(TWITCH / "VoD_105450491.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))
    by_sound = [hit.word for text in texts for hit in load_matcher().find(text) if hit.disguised and hit.weight == 0.6]
    assert len(by_sound) > 20
    assert sum(word != "垃圾" for word in by_sound) <= 0.0005 * len(texts)
