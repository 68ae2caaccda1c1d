"""A store until SIGTERM; prints its ports.

``python -m tests.storage.children.store FOLDER NATIVE_PORT HTTP_PORT READERS PATIENCE``
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from storage.server import StoreServer
from storage.server.watch import Patience


def main() -> None:
    folder, native, http, readers, patience = sys.argv[1:6]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = StoreServer(
        Path(folder), os.environ["STORE_PASSWORD"], native_port=int(native), http_port=int(http),
        readers=int(readers), patience=Patience(**json.loads(patience)),
    )  # fmt: skip
    server.start()
    print(json.dumps({"native": server.native_port, "http": server.http_port}), flush=True)
    stop.wait()
    server.stop()


if __name__ == "__main__":
    main()
