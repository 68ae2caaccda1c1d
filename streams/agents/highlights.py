"""Comprehended chat, sales and product sheets → moments worth keeping. The thinking is in ``analytics/highlights.py``."""

from __future__ import annotations

from analytics.highlights import HighlightOperator
from streams.shell.agent import Agent
from streams.topics import CATALOGUE, COMPREHENDED, SALES

AGENT = Agent("highlights", (COMPREHENDED, SALES, CATALOGUE), HighlightOperator)
