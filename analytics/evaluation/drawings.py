"""The drawings of a report, as inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence

from analytics.evaluation.metrics import Bin, Figure

_SIDE, _LEFT, _LOW, _TOP = 300, 44, 40, 10


def span(figure: Figure) -> str:
    """A figure and its interval on the line from 0 to 1."""
    low, high, value = (100 * min(1.0, max(0.0, one)) for one in (figure.low, figure.high, figure.value))
    return (
        '<svg class="span" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rail" x="0" y="3" width="100" height="2"/>'
        f'<rect class="range" x="{low:.2f}" y="1.5" width="{max(high - low, 0.6):.2f}" height="5"/>'
        f'<rect class="point" x="{max(0.0, value - 0.4):.2f}" y="0" width="0.8" height="8"/></svg>'
    )


def curve(bins: Sequence[Bin]) -> str:
    """The reliability curve: probability across, share that was right upwards, the diagonal between."""
    wide, high = _LEFT + _SIDE + _TOP, _TOP + _SIDE + _LOW
    lines = "".join(
        f'<line class="grid" x1="{_x(at):.1f}" y1="{_y(0):.1f}" x2="{_x(at):.1f}" y2="{_y(1):.1f}"/>'
        f'<line class="grid" x1="{_x(0):.1f}" y1="{_y(at):.1f}" x2="{_x(1):.1f}" y2="{_y(at):.1f}"/>'
        f'<text x="{_x(at):.1f}" y="{_y(0) + 16:.1f}" text-anchor="middle">{at:g}</text>'
        f'<text x="{_x(0) - 8:.1f}" y="{_y(at) + 4:.1f}" text-anchor="end">{at:g}</text>'
        for at in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    path = " ".join(f"{_x(one.p):.1f},{_y(one.right):.1f}" for one in bins)
    points = "".join(
        f'<circle class="dot" cx="{_x(one.p):.1f}" cy="{_y(one.right):.1f}" r="4">'
        f"<title>{one.n} lines: sure by {one.p:.2f}, right in {one.right:.2f}</title></circle>"
        for one in bins
    )
    return (
        f'<svg class="curve" viewBox="0 0 {wide} {high}" role="img" aria-label="Reliability curve">{lines}'
        f'<line class="ideal" x1="{_x(0):.1f}" y1="{_y(0):.1f}" x2="{_x(1):.1f}" y2="{_y(1):.1f}"/>'
        f'<polyline class="path" points="{path}"/>{points}'
        f'<text x="{_x(0.5):.1f}" y="{high - 4}" text-anchor="middle">how sure the model is</text>'
        f'<text transform="translate(12 {_y(0.5):.1f}) rotate(-90)" text-anchor="middle">share that is right</text></svg>'
    )


def _x(value: float) -> float:
    return _LEFT + _SIDE * value


def _y(value: float) -> float:
    return _TOP + _SIDE * (1 - value)
