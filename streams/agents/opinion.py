"""Comprehended chat → opinion alerts, and what the host says first. The thinking is in ``analytics/opinion.py``."""

from __future__ import annotations

from analytics.opinion import OpinionOperator
from streams.shell.agent import Agent
from streams.topics import COMPREHENDED

AGENT = Agent("opinion", (COMPREHENDED,), OpinionOperator)
