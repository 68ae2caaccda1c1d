"""Speech, product events and sales → product paragraphs. The thinking is in ``analytics/paragraphs.py``."""

from __future__ import annotations

from analytics.paragraphs import ParagraphOperator
from streams.shell.agent import Agent
from streams.topics import CATALOGUE, SALES, SPEECH

AGENT = Agent("segments", (SPEECH, CATALOGUE, SALES), ParagraphOperator)
