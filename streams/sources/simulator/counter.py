"""The frame counter in the picture: a row of black and white blocks that survives compression and scaling.

From the left: one white and one black block, 22 bits of the frame's number (the highest first), and 4 bits of its CRC. A
picture that is blurred, blended from two frames, or of something else has no number rather than a wrong one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1280, 720  # the picture that the positions below belong to
BLOCK, LEFT, TOP = 32, 32, 24
BITS, CHECK = 22, 4
BLOCKS = 2 + BITS + CHECK
DARK, BRIGHT = 16, 235


def counter_bits(frame: int) -> list[int]:
    """The blocks of a frame's number, 1 for white."""
    number = frame % (1 << BITS)
    return [1, 0, *_bits(number, BITS), *_bits(_crc(number), CHECK)]


def draw_counter(luma: NDArray[np.uint8], frame: int) -> None:
    """Draw the counter into a luma plane of 1280×720."""
    row = np.repeat(np.array([BRIGHT if bit else DARK for bit in counter_bits(frame)], np.uint8), BLOCK)
    luma[TOP : TOP + BLOCK, LEFT : LEFT + BLOCK * BLOCKS] = row


def read_frame_counter(picture: NDArray[Any]) -> int | None:
    """The number in a picture (height × width grey, or × 3 RGB) of any size in the same proportions; None if there is none."""
    grey = picture.astype(np.float32)
    if grey.ndim == 3:
        grey = grey[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    height, width = grey.shape
    across, down = width / WIDTH, height / HEIGHT
    reach = max(1, int(BLOCK * min(across, down) / 4))
    y = int((TOP + BLOCK / 2) * down)
    centres = [int((LEFT + BLOCK * (i + 0.5)) * across) for i in range(BLOCKS)]
    if y < reach or centres[0] < reach or centres[-1] + reach > width:
        return None
    seen = np.array([grey[y - reach : y + reach, x - reach : x + reach].mean() for x in centres])
    bright, dark = seen[0], seen[1]
    if bright - dark < 60:
        return None
    level = (seen - dark) / (bright - dark)
    if np.any((level > 0.3) & (level < 0.7)) or np.any(level < -0.3) or np.any(level > 1.3):
        return None
    bits = [int(value > 0.5) for value in level[2:]]
    number = _value(bits[:BITS])
    return number if _value(bits[BITS:]) == _crc(number) else None


def _bits(value: int, count: int) -> list[int]:
    return [value >> (count - 1 - i) & 1 for i in range(count)]


def _value(bits: list[int]) -> int:
    return int("".join(map(str, bits)), 2)


def _crc(number: int) -> int:
    """CRC-4-ITU (x⁴ + x + 1) over the bits of the number."""
    crc = 0b1111  # so that an all-black row is no number
    for bit in _bits(number, BITS):
        crc = (crc << 1 ^ (0b0011 if crc >> 3 ^ bit else 0)) & 0b1111
    return crc
