"""Comprehended chat → the mood of each second. The thinking is in ``analytics/mood.py``."""

from __future__ import annotations

from analytics.mood import MoodOperator
from streams.shell.agent import Agent
from streams.topics import COMPREHENDED

AGENT = Agent("mood", (COMPREHENDED,), MoodOperator)
