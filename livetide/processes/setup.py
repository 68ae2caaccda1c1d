"""What must be there before the other processes start: the topics, and the tables of the store. Ends when it is done."""

from __future__ import annotations

import logging
from pkgutil import iter_modules

from livetide import addresses
from livetide.settings import Settings

log = logging.getLogger(__name__)


def agent_names() -> list[str]:
    """The agents of the product: the modules of ``streams.agents``. Their names, without importing what they think with."""
    from streams import agents

    return sorted(module.name for module in iter_modules(agents.__path__) if not module.name.startswith("_"))


def create_topics(settings: Settings) -> list[str]:
    """Create the missing topics, those of the agents' checkpoints included; returns their names."""
    from streams import admin
    from streams.topics import checkpoint_topic

    wanted = [*admin.topics_for(), *(checkpoint_topic(name) for name in agent_names())]
    return admin.create_topics(settings.cluster(), wanted)


def migrate(settings: Settings) -> list[str]:
    """Bring the store's schema up to date; returns the names of what was applied."""
    from storage import migrations
    from storage.client import Address, StoreClient

    client = StoreClient(Address.parse(addresses.writing(settings)))
    try:
        return migrations.migrate(client, cluster=settings.store_cluster)
    finally:
        client.close()


def run(settings: Settings) -> None:
    """Create the topics and bring the store's schema up to date. Harmless when both are."""
    if made := create_topics(settings):
        log.info("created %d topics: %s", len(made), ", ".join(made))
    if applied := migrate(settings):
        log.info("applied %d migrations: %s", len(applied), ", ".join(applied))
