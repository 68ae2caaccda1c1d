"""What viewers ask now."""

from analytics.groups import Groups
from streams.shell.agent import Agent
from streams.topics import COMPREHENDED

AGENT = Agent("intents", sources=(COMPREHENDED,), operator=Groups)
