"""The host's script: who is on air when, and every sentence with its exact start and end.

A room is a row of six-minute cycles. Each cycle speaks four complete product paragraphs and one that is broken off; the calls
of the second and the third are its moments. Times here are milliseconds from the start of the room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from streams.sources.simulator import catalogue
from streams.sources.simulator.catalogue import Item

CYCLE = 360_000
MS_PER_CHARACTER = 235
LOTTERY_AT = 274_000
_STARTS = (24_000, 90_000, 164_000, 238_000, 287_000)
_MOMENTS = (1, 2)
_BROKEN = 3


@dataclass(frozen=True)
class Sentence:
    """One sentence on the air."""

    start: int
    end: int
    text: str
    sku: str = ""
    stage: str = ""


@dataclass
class Act:
    """A product paragraph: ``call`` is when its call to action ends, 0 when it was broken off before."""

    item: Item
    price: int
    number: int
    start: int
    end: int = 0
    call: int = 0
    moment: bool = False
    stages: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """All four stages were spoken to their end."""
        return self.call > 0


@dataclass
class Script:
    """Everything that is said, in order, and the paragraphs in it."""

    end: int
    sentences: list[Sentence]
    acts: list[Act]
    prices: dict[str, int]

    def on_air(self, at: int) -> Act | None:
        """The product that is on air: from its paragraph's start until the next one's."""
        return next((act for act in reversed(self.acts) if act.start <= at), None)


def write_script(rng: Random, end: int) -> Script:
    """Write the script of a room of ``end`` milliseconds. No sentence runs past the end."""
    items = list(catalogue.ITEMS)
    rng.shuffle(items)
    prices = {item.sku: rng.choice(item.prices) for item in items}
    script = Script(end, [], [], prices)
    clock = _talk(script, rng, 1_200, min(end, _STARTS[0] - 1_500), list(catalogue.OPENING_LINES))
    for number, start in enumerate(_act_starts(rng, end)):
        clock = _talk(script, rng, clock, start - 900, [])
        item = items[number % len(items)]
        act = Act(item, prices[item.sku], number % len(items) + 1, max(start, clock + 700))
        act.moment = number % len(_STARTS) in _MOMENTS
        clock = _paragraph(script, rng, act, broken=number % len(_STARTS) == _BROKEN)
        if act.stages:
            script.acts.append(act)
    _talk(script, rng, clock, end - 500, [])
    return script


def _act_starts(rng: Random, end: int) -> list[int]:
    starts = [cycle + start + rng.randrange(-1_500, 1_500) for cycle in range(0, end, CYCLE) for start in _STARTS]
    return [start for start in starts if start < end - 3_000]


def _say(script: Script, rng: Random, clock: int, text: str, sku: str = "", stage: str = "") -> int:
    """Say one sentence and return when the next may begin; 0 when it does not fit into the room any more."""
    length = round(len(text.replace("，", "")) * MS_PER_CHARACTER * rng.uniform(0.95, 1.05)) + 160 * text.count("，")
    if clock + length > script.end - 300:
        return 0
    script.sentences.append(Sentence(clock, clock + length, text, sku, stage))
    return clock + length + rng.randrange(220, 520)


def _talk(script: Script, rng: Random, clock: int, until: int, lines: list[str]) -> int:
    """Idle talk with pauses until a time; the lottery is announced at its place in the cycle."""
    while clock < until - 2_500:
        lottery = clock % CYCLE >= LOTTERY_AT and not any(
            sentence.text == catalogue.LOTTERY_LINE and sentence.start // CYCLE == clock // CYCLE
            for sentence in script.sentences[-6:]
        )
        line = catalogue.LOTTERY_LINE if lottery else lines.pop(0) if lines else rng.choice(catalogue.IDLE_LINES)
        if clock + len(line) * MS_PER_CHARACTER * 1.1 > until:
            break
        clock = (_say(script, rng, clock, line) or until) + rng.randrange(300, 2_600)
    return clock


def _paragraph(script: Script, rng: Random, act: Act, *, broken: bool) -> int:
    words = {
        "spoken": catalogue.spoken_price(act.price),
        "was_spoken": catalogue.spoken_price(act.item.was),
        "number": catalogue.spoken_number(act.number),
    }
    features = act.item.feature
    skipped = rng.randrange(len(features))
    plan = [("intro", act.item.intro), ("feature", features[:skipped] + features[skipped + 1 :])]
    if not broken:
        plan += [("price", catalogue.PRICE_LINES), ("cta", catalogue.CALL_LINES), ("close", catalogue.CLOSE_LINES)]
    clock = act.start
    for stage, lines in plan:
        for line in lines[: 2 if broken and stage == "feature" else None]:
            after = _say(script, rng, clock, line.format_map(words), act.item.sku, stage)
            if not after:
                return script.end
            act.stages.setdefault(stage, clock)
            act.end, clock = script.sentences[-1].end, after
        if stage == "cta":
            act.call = act.end
    return clock
