"""Every dialect by its sample: what is recognised, every event, and what is left out."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from streams.sources.opening import open_source

T = 1_764_000_000_000


class Expected(NamedTuple):
    file: str
    dialect: str
    rows: list[tuple[int, str, str]]
    ignored: int
    damaged: list[str]
    start_ms: int | None = None


GIFT, MEMBER = "gift (no goods were ordered)", "membership (no goods were ordered)"
CHAT = [
    Expected(
        "bililive_recorder.xml",
        "BililiveRecorder XML",
        [
            (1327, "3120045", "来了来了"),
            (1327, "3120045", "来了来了"),
            (2994, "88120", "多少钱 <一件> & 包邮吗"),
            (4623, "40021", "主播今天的砂锅能上明火吗"),  # a super chat has a position only: timed by the row before it
            (6063, "张***", "能便宜点不"),
            (8223, "5011", "我晚了一点😂"),
            (9456, "5010", ""),
        ],
        2,
        ["row 10 (<d>): cut short at the end of the file"],
    ),
    Expected(
        "blrec.xml",
        "blrec XML",
        [
            (500, "40021", "还没开始就先支持"),  # before any row: timed by the header
            (900, "3120045", "第一"),
            (2450, "88120", "怎么\x0b下单\x01呀"),
            (5100, "5012", "质量一般吧"),
            (6780, "", "AT&T 的 <耳机> 有吗 & 保修多久"),
        ],
        4,
        [],
    ),
    Expected(
        "biliup.xml",
        "biliup XML",
        [
            (1000, "3120045", "晚上好"),
            (1000, "88120", "晚上好"),
            (2000, "88120", "砂锅多大的"),
            (4000, "40021", "能不能送个盖子"),
            (6000, "5013", "支持 7 天无理由吗"),
            (7000, "5015", "拍了"),
        ],
        3,
        ["row 9 (<d>): cut short inside the file"],
    ),
    Expected(
        "bililive_tools.xml",
        "biliLive-tools XML",
        [
            (400, "40021", "先问一句有券吗"),
            (1000, "99887766554433", "炖汤会不会裂"),
            (1800, "99887766554434", "我买过 裂了"),
            (1800, "99887766554433", "真的假的"),
            (4000, "", "游客也能买吗"),
        ],
        2,
        [],
    ),
    Expected(
        "rust_srec.xml",
        "rust-srec XML",
        [
            (512, "1c2d3e4f", "开播啦"),
            (1024, "5a6b7c8d", "<b>2 & 3</b> 哪个好"),
            (2000, "冬瓜", "颜色会掉吗"),
            (2750, "1c2d3e4f", "😂 哈哈"),
        ],
        1,
        [],
    ),
    Expected(
        "danmaku_factory.xml",
        "DanmakuFactory XML",
        [(500, "豆豆", "声音有点小"), (2000, "戊", "大一点"), (3250, "1002", "好了好了"), (5500, "40021", "发什么快递")],
        1,
        [],
        T,
    ),
    Expected(
        "bilibili_archive.xml",
        "bilibili archive XML",
        [
            (0, "330c5c86", "第一"),
            (3159, "84b94467", "前排！"),
            (61070, "5bd04b14", "笑死"),
            (61070, "95fb08", "哈哈哈哈"),
            (61070, "95fb09", "哈哈哈哈"),
            (118200, "8b53b65c", "二刷"),
        ],
        0,
        [],
        T,
    ),
    Expected(
        "yt_dlp.live_chat.json",
        "yt-dlp live_chat.json",
        [
            (-20_000, "早鳥", "先占位"),  # its chat message was before the recording; the ticker still shows it
            (1500, "UCdou", "晚安😂"),
            (3000, "UCmomo", "看 :_cat:"),
            (4000, "UCdong", "這鍋可以進烤箱嗎"),  # chat and ticker: once
            (6000, "UCwu", "直播中的一行"),
        ],
        5,
        ["line 8: a line that is no JSON"],
    ),
    Expected(
        "chat_downloader.json",
        "chat-downloader JSON",
        [(1000, "UC1", "還沒開始嗎"), (8000, "無號", "多少錢"), (9000, "UC2", "支持一下"), (10_000, "", "沒有號碼的")],
        3,
        ["element 8: a message without a time (no timestamp; say when the recording began: --start)"],
    ),
    Expected(
        "chat_downloader_lines.jsonl",
        "chat-downloader JSON lines",
        [(1000, "UC1", "還沒開始嗎"), (8000, "無號", "多少錢"), (9000, "UC2", "支持一下")],
        3,
        [],
    ),
    Expected(
        "twitch_downloader.json",
        "TwitchDownloader JSON",
        [(1123, "91", "777777"), (2000, "92", "Cheer100 支持"), (2000, "93", "Kappa"), (4500, "", "帳號已刪除")],
        0,
        ["comment 5: a comment without a message body"],
    ),
    Expected(
        "chat_rows.jsonl.gz",
        "chat rows (ts_ms, user, text)",
        [(1000, "bcf5", "開了"), (1000, "bcf5", "開了"), (2000, "77", "77777"), (3000, "533d", ""), (4000, "", "誰")],
        0,
        ["line 6: ts_ms is no time in epoch milliseconds", "line 7: a line that is no JSON"],
    ),
    Expected(
        "blrec_raw.jsonl",
        "bilibili raw messages (JSON lines)",
        [(1327, "3120045", "来了"), (2000, "张***", "多少钱"), (4000, "40021", "能上明火吗")],
        2,
        ["line 5: DANMU_MSG with another layout than the one known"],
    ),
]


@pytest.mark.parametrize("expected", CHAT, ids=lambda expected: expected.file)
def test_chat(samples: Path, expected: Expected) -> None:
    source: Any = open_source(str(samples / expected.file), start_ms=expected.start_ms)
    events = [msgspec.json.decode(event.line) for event in source.events()]
    assert source.dialect == expected.dialect
    assert [(event["ts"] - T, event["user"], event["text"]) for event in events] == expected.rows
    assert source.tally.examples == expected.damaged
    assert source.tally.ignored.total() == expected.ignored
    assert source.tally.damaged.total() == len(expected.damaged)


def test_archive_without_a_start_begins_with_its_oldest_message(samples: Path) -> None:
    events = list(open_source(str(samples / "bilibili_archive.xml")).events())
    assert events[0].at == 1_625_832_232_000
    assert events[-1].at - events[0].at == 118_200


def test_gifts_are_counted_apart_from_memberships(samples: Path) -> None:
    source: Any = open_source(str(samples / "blrec.xml"))
    list(source.events())
    assert (source.tally.ignored[GIFT], source.tally.ignored[MEMBER]) == (2, 1)


@pytest.mark.parametrize("expected", [e for e in CHAT if e.start_ms is None], ids=lambda expected: expected.file)
def test_position_counts_from_a_given_start(samples: Path, expected: Expected) -> None:
    path = str(samples / expected.file)
    if expected.file.startswith(("chat_rows", "blrec_raw")):
        with pytest.raises(Exception, match="no positions"):
            open_source(path, start_ms=0)
        return
    moved = list(open_source(path, start_ms=T + 86_400_000).events())
    assert len(moved) >= len(expected.rows) - 1
    assert any(event.at >= T + 86_400_000 - 5000 for event in moved)


def test_platform_ids_are_kept(samples: Path) -> None:
    events = [msgspec.json.decode(event.line) for event in open_source(str(samples / "blrec.xml")).events()]
    assert [event["id"] for event in events[1:]] == [f"19000000000000{n}" for n in (1, 2, 3, 4)]


SALES = {
    "sales_cn.csv": [
        (65, "refund", "5011004", "lid-26", 1, "19.90"),
        (120, "order", "5011005", "pot-26", 1, "129.00"),  # not paid yet: timed by the order
        (220, "pay", "5011002", "pot-26", 1, "1129.00"),
        (300, "pay", "5011003", "lid-26", 2, "39.80"),
        (300, "pay", "5011003", "lid-26", 2, "39.80"),
    ],
    "sales_en.csv": [
        (100.5, "cart", None, "pot-26", 1, None),
        (100.9, "click", None, "pot-26", None, None),
        (190, "order", "A1", "pot-26", 1, "129.00"),
        (200, "pay", "A1", "pot-26", 1, "129.00"),
        (300, "stock", None, "pot-26", 37, None),
        (1800, "refund", "A1", "pot-26", 1, "129.00"),
    ],
}


@pytest.mark.parametrize("file", SALES)
def test_sales(samples: Path, file: str) -> None:
    source: Any = open_source(str(samples / file))
    events = [msgspec.json.decode(event.line) for event in source.events()]
    names = ("type", "order", "sku", "quantity", "amount")
    assert [((e["ts"] - T) / 1000, *(e.get(name) for name in names)) for e in events] == SALES[file]
    assert {e["kind"] for e in events} == {"sale"}


def test_sales_that_cannot_be_read_name_their_line(samples: Path) -> None:
    source: Any = open_source(str(samples / "sales_cn.csv"))
    list(source.events())
    assert source.dialect == "sales CSV (gb18030)"
    assert [example.split(" (")[0] for example in source.tally.examples] == ["line 8", "line 9"]
    assert "昨天晚上" in source.tally.examples[0]
    assert source.tally.ignored["cancelled or closed"] == 1
