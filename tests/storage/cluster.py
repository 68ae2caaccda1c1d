"""The cluster's form of the schema on one embedded server: Distributed tables over local ones, as far as that goes.

The store's configuration names a cluster of which it is the only server, so Distributed tables work as they do anywhere. There
is no keeper: tables are not replicated, and what is said ON CLUSTER is said to the one server that there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from storage.client import Address, StoreClient
from storage.migrations import CLUSTER_SETTINGS, TABLE_SETTINGS, migrate
from tests.storage.support import StoreProcess

NAME: Final = "main"
# A replica at the server's own port is the server itself, and is not connected to: nothing listens there.
CONFIG: Final = f"""<clickhouse><tcp_port>9000</tcp_port><remote_servers><{NAME}><shard>
  <internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica>
</shard></{NAME}></remote_servers></clickhouse>"""


class OneServer(StoreClient):
    """Says to one server what is meant for the servers of a cluster, and keeps what was asked of the cluster in ``said``."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.said: list[str] = []

    def execute(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, settings: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        alone = sql.replace(f" ON CLUSTER '{NAME}'", "")
        if alone != sql:
            self.said.append(sql)
        alone = alone.replace("= Replicated", "= ").replace(CLUSTER_SETTINGS, TABLE_SETTINGS)
        return super().execute(alone, parameters, settings=settings)


class ClusterStore(StoreProcess):
    """An embedded store whose tables are a cluster's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        extra = folder / "data" / "server.d"
        extra.mkdir(parents=True)
        (extra / "cluster.xml").write_text(CONFIG)

    def migrate(self) -> None:
        client = self.one_server()
        migrate(client, cluster=NAME)
        client.close()

    def one_server(self) -> OneServer:
        return OneServer(self.client().address)
