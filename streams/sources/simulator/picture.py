"""The picture of a simulated room: a card with the product and its price, a clock, a moving bar, and the frame counter.

The font is Pillow's built-in one (Aileron, CC0), which is Latin: names are shown by their Latin labels and no system font is
needed. A frame is a yuv420p array; only what changes is drawn again.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from streams.sources.simulator.counter import BLOCK, BLOCKS, HEIGHT, LEFT, TOP, WIDTH, draw_counter

FPS = 25
_BAR_TOP, _BAR_HEIGHT, _BAR_WIDTH, _BAR_STEP = 684, 24, 96, 8
_CLOCK = (1040, 16, 1264, 64)  # left, top, right, bottom; even, for the chroma planes


class Card(msgspec.Struct, frozen=True):
    """What stands in the picture from ``frame`` on. The price is shown once the host has named it."""

    frame: int
    title: str
    price: str
    stage: str
    colour: tuple[int, int, int]


class Painter:
    """Paints frame after frame of a room into one array."""

    def __init__(self, cards: list[Card]) -> None:
        self._cards = cards
        self._card = -1
        self._second = -1
        self._background = np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8)
        self.array = np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8)

    def paint(self, frame: int) -> NDArray[np.uint8]:
        """The picture of a frame; valid until the next call."""
        card = max(number for number, card in enumerate(self._cards) if card.frame <= frame)
        if card != self._card:
            self._card, self._second = card, -1
            self._background = _background(self._cards[card])
            self.array[:] = self._background
        if frame // FPS != self._second:
            self._second = frame // FPS
            left, top, right, bottom = _CLOCK
            self.array[top:bottom, left:right] = _clock(self._second)
        draw_counter(self.array[:HEIGHT], frame)
        bar = self.array[_BAR_TOP : _BAR_TOP + _BAR_HEIGHT]
        bar[:] = self._background[_BAR_TOP : _BAR_TOP + _BAR_HEIGHT]
        at = frame * _BAR_STEP % (WIDTH - _BAR_WIDTH)
        bar[:, at : at + _BAR_WIDTH] = 220
        return self.array


def _background(card: Card) -> NDArray[np.uint8]:
    image = Image.new("RGB", (WIDTH, HEIGHT), card.colour)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, TOP + BLOCK + 24), fill=(24, 24, 24))
    draw.rectangle((LEFT - 4, TOP - 4, LEFT + BLOCK * BLOCKS + 3, TOP + BLOCK + 3), fill=(128, 128, 128))
    draw.rectangle((0, _BAR_TOP - 12, WIDTH, HEIGHT), fill=(24, 24, 24))
    draw.rounded_rectangle((64, 130, WIDTH - 64, 630), 32, fill=(246, 244, 238))
    draw.text((120, 180), card.title, font=ImageFont.load_default(72), fill=(24, 24, 24))
    if card.price:
        draw.text((120, 300), card.price, font=ImageFont.load_default(190), fill=(208, 32, 24))
    draw.text((120, 540), card.stage, font=ImageFont.load_default(48), fill=(96, 96, 96))
    return _yuv(image)


def _yuv(image: Image.Image) -> NDArray[np.uint8]:
    import av

    frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
    return np.array(frame.reformat(format="yuv420p").to_ndarray(), np.uint8)


def _clock(second: int) -> NDArray[np.uint8]:
    left, top, right, bottom = _CLOCK
    image = Image.new("L", (right - left, bottom - top), 24)
    text = f"{second // 3600:d}:{second // 60 % 60:02d}:{second % 60:02d}"
    ImageDraw.Draw(image).text((40, 0), text, font=ImageFont.load_default(40), fill=255)
    return (np.asarray(image, np.float32) * (219 / 255) + 16).astype(np.uint8)
