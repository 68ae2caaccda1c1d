"""``python -m livetide.stack [--detach]``: the supervisor. Settings and ports come by environment."""

from __future__ import annotations

import json
import os
import sys
import time

from livetide.settings import Settings
from livetide.stack.daemon import detach, serve


def main() -> None:
    settings = Settings()
    ports: dict[str, str] = json.loads(os.environ.pop("LIVETIDE_STACK_PORTS"))
    if "--detach" not in sys.argv or detach(settings.data / "logs" / "stack.log"):
        serve(settings, ports, time.time_ns() // 1_000_000)


if __name__ == "__main__":
    main()
