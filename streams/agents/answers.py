"""Questions answered from the product sheets of the room."""

from analytics.answers import Answers
from streams.shell.agent import Agent
from streams.topics import CATALOGUE, COMPREHENDED

AGENT = Agent("answers", sources=(COMPREHENDED, CATALOGUE), operator=Answers)
