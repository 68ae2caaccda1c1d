from __future__ import annotations

import os
import signal
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_host.host import STALE_MS, Host
from realtime_host.readings import number_words, pinyin
from realtime_host.voice import LONGEST, EspeakVoice
from streams.records import HostCommand, HostEvent, InvalidError, RetryError
from tests.support.full_disk import SmallDisk, disk

__all__ = ["disk"]

NOW = 1_700_000_000_000


def command(**changes: object) -> HostCommand:
    values: dict[str, object] = {
        "room": "r", "id": "answer:r:sim:1", "revision": 3, "event_ts": NOW, "ingest_ts": NOW, "action": "answer",
        "text": "这款便宜，只要199元。", "because": "asked",
    }  # fmt: skip
    return HostCommand(**values | changes)  # type: ignore[arg-type]  # a table of fields with changes on top


@pytest.fixture
def voice() -> Iterator[EspeakVoice]:
    voice = EspeakVoice()
    yield voice
    voice.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("0", "零"), ("10", "十"), ("15", "十五"), ("20", "二十"), ("99", "九十九"), ("105", "一百零五"), ("110", "一百一十"),
        ("2350", "两千三百五十"), ("1004", "一千零四"), ("20000", "两万"), ("10500", "一万零五百"), ("19.90", "十九点九零"),
        ("5%", "百分之五"), ("007", "零零七"), ("300000000", "三亿"), ("120034", "十二万零三十四"),
    ],
)  # fmt: skip
def test_numbers_are_spoken(number: str, words: str) -> None:
    assert number_words(number) == words


def test_characters_with_several_readings_follow_their_word() -> None:
    assert pinyin("重复") == "chong2 fu4"
    assert pinyin("银行便宜") == "yin2 hang2 pian2 yi5"
    assert pinyin("19元。") == "shi2 jiu3 yuan2 . "


def test_a_command_becomes_sound(voice: EspeakVoice, tmp_path: Path) -> None:
    (event,) = Host(voice, tmp_path, lambda: NOW + 40).handle(command())
    assert isinstance(event, HostEvent)
    assert (event.type, event.command, event.revision) == ("spoken", "answer:r:sim:1", 3)
    assert event.model.startswith("espeak-ng 1.5")
    assert set(event.simulated) == {"avatar", "transport"}
    assert {"wait", "reading", "synthesis", "total"} == set(event.latency_ms)
    with wave.open(str(tmp_path / event.path)) as file:
        seconds = file.getnframes() / file.getframerate()
        samples = array("h", file.readframes(file.getnframes()))
    assert 1.5 < seconds < 6
    assert abs(seconds * 1000 - event.duration_ms) <= 1
    assert max(samples) > 3000, "it is to be heard"


def test_saying_again_says_the_same(voice: EspeakVoice, tmp_path: Path) -> None:
    host = Host(voice, tmp_path, lambda: NOW)
    assert list(host.handle(command())) == list(host.handle(command()))
    assert list(host.handle(command(revision=4))) != list(host.handle(command()))


@pytest.mark.parametrize("changes", [{}, {"action": "stop"}], ids=["sound", "event"])
def test_a_full_disk_is_waited_for(voice: EspeakVoice, disk: SmallDisk, changes: dict[str, object]) -> None:
    host = Host(voice, disk.folder / "speech", lambda: NOW)
    disk.fill()
    with pytest.raises(RetryError, match="the disk is full"):
        host.handle(command(**changes))
    disk.free()
    (event,) = host.handle(command(**changes))
    assert isinstance(event, HostEvent)
    assert event.type == ("interrupted" if changes else "spoken")
    assert not list(disk.folder.rglob("*.part"))


def test_a_stale_question_is_skipped_and_said(voice: EspeakVoice, tmp_path: Path) -> None:
    (event,) = Host(voice, tmp_path, lambda: NOW + STALE_MS + 1).handle(command())
    assert isinstance(event, HostEvent)
    assert (event.type, event.path) == ("skipped", "")


@pytest.mark.parametrize("text", ["", "   ", "好" * (LONGEST + 1)])
def test_what_cannot_be_said_fails_with_a_reason(voice: EspeakVoice, tmp_path: Path, text: str) -> None:
    (event,) = Host(voice, tmp_path, lambda: NOW).handle(command(text=text))
    assert isinstance(event, HostEvent)
    assert event.type == "failed"
    assert event.reason


def test_a_dead_synthesiser_is_started_again(voice: EspeakVoice) -> None:
    first = voice.speak("你好")
    assert voice._process is not None
    os.kill(voice._process.pid, signal.SIGKILL)
    voice._process.wait()
    assert voice.speak("你好").samples == first.samples


@pytest.mark.parametrize("text", ["\u202e\u200b\x00<speak>", "[[zh]]" * 20, "a" * 200, "&amp;\ud83d\ude00 hi"])
def test_hostile_text_is_said(voice: EspeakVoice, text: str) -> None:
    assert voice.speak(text).duration_ms > 0
    assert voice.speak("你好").duration_ms > 0


@pytest.mark.parametrize("text", ["🎉🎉🎉", "。。。"])
def test_what_has_no_sound_is_refused(voice: EspeakVoice, text: str) -> None:
    with pytest.raises(InvalidError, match="nothing to"):
        voice.speak(text)
