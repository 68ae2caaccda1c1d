"""The independent verifier: what the clients were told, what lies in Kafka, what lies in the store, each against the other.

It decodes records and reads tables, and recomputes everything else by itself. Nothing of the product's own reasoning is used:
no checkpoint, no ledger, no de-duplicator, no operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clickhouse_driver import Client

from streams.kafka import Cluster
from streams.shell.agent import Agent
from tests.faults.stack import entered, letters, minutes, said
from tests.faults.stack.delays import delays
from tests.faults.stack.load import Told
from tests.faults.stack.reading import Log
from tests.faults.stack.scenes import Scene
from tests.faults.stack.verdict import Verdict


def verify(cluster: Cluster, store: Client, clips: Path, agents: Sequence[Agent], scene: Scene, told: Told) -> Verdict:
    """All checks. To be called when nothing waits any more."""
    verdict, log = Verdict(), Log(cluster)
    found = entered.entered(verdict, log)
    entered.check_clients(verdict, scene, told, found)
    entered.check_tables(verdict, log, store)
    chat = entered.check_chat(verdict, log, store, found)
    minutes.check_chat_minutes(verdict, store, chat)
    minutes.check_sales_minutes(verdict, store, log)
    said.check_no_conflict(verdict, log)
    said.check_nothing_unsaid(verdict, log)
    said.check_tables(verdict, log, store)
    said.check_moods(verdict, log)
    said.check_clips(verdict, log, clips)
    letters.check_letters(verdict, log, store, agents, scene, told)
    verdict.notes |= delays(log, store)
    return verdict
