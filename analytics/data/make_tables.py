"""Make simplified.txt, sounds.txt and everyday.txt again out of packages.

Needs ``opencc-python-reimplemented`` (Apache-2.0), ``pypinyin`` (MIT) and ``jieba`` (MIT), which the product itself does
not need::

    python -m analytics.data.make_tables

Run it again after a change of ``hidden`` words in sensitive.toml.
"""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
COMMON = 30  # occurrences in jieba's corpus from which a word counts as everyday


def package_file(package: str, name: str) -> list[str]:
    """The lines of a data file inside an installed package."""
    file = importlib.import_module(package).__file__
    assert file is not None
    return (Path(file).parent / name).read_text(encoding="utf-8").splitlines()


def simplified() -> str:
    """Traditional and simplified character, a pair a line, where the two differ."""
    pairs = (line.split("\t") for line in package_file("opencc", "dictionary/TSCharacters.txt"))
    chosen = [(old, new.split()[0]) for old, new in pairs]
    return "".join(f"{old}{new}\n" for old, new in chosen if old != new and len(old) == len(new) == 1)


def sounds() -> str:
    """A syllable without tone and its characters, for the 6,763 characters of GB 2312 and by their first reading."""
    pypinyin = importlib.import_module("pypinyin")
    by_syllable: dict[str, str] = {}
    for row in range(0xB0, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                character = bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue
            syllable = pypinyin.lazy_pinyin(character, style=pypinyin.Style.NORMAL)[0].replace("ü", "v")
            by_syllable[syllable] = by_syllable.get(syllable, "") + character
    return "".join(f"{syllable} {by_syllable[syllable]}\n" for syllable in sorted(by_syllable))


def everyday(table: str) -> str:
    """Everyday words that sound like a hidden word, or that could overlap one at either end, a line each."""
    sound = {c: s for s, characters in (line.split() for line in table.splitlines()) for c in characters}
    topics = tomllib.loads((HERE / "sensitive.toml").read_text(encoding="utf-8"))["topics"]
    hidden = sorted({word for topic in topics.values() for word in topic["hidden"]})
    spoken = {tuple(sound[c] for c in word) for word in hidden}
    firsts, lasts = {s[0] for s in spoken}, {s[-1] for s in spoken}
    words = []
    for line in package_file("jieba", "dict.txt"):
        word, count, _ = line.split(" ")
        heard = tuple(sound.get(c, "") for c in word)
        if word in hidden or int(count) < COMMON or "" in heard:
            continue
        if heard in spoken or (len(word) == 2 and (heard[-1] in firsts or heard[0] in lasts)):
            words.append(word)
    return "".join(f"{word}\n" for word in sorted(words))


def main() -> None:
    table = sounds()
    for name, text in (("simplified.txt", simplified()), ("sounds.txt", table), ("everyday.txt", everyday(table))):
        (HERE / name).write_text(text, encoding="utf-8")
        print(name, len(text.splitlines()), "lines")


if __name__ == "__main__":
    main()
