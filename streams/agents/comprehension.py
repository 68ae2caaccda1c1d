"""Chat understood, each message once."""

from analytics.comprehension import Comprehension
from streams.shell.agent import Agent
from streams.topics import DANMAKU

AGENT = Agent("comprehension", sources=(DANMAKU,), operator=Comprehension, mode="direct")
