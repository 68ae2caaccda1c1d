"""Child processes of our own modules."""

from __future__ import annotations

import os
import sys


def environment() -> dict[str, str]:
    """The environment in which a child finds the same modules as this process does, and uses one thread."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


def command(module: str) -> list[str]:
    """How to run the ``main`` of a module (``-m`` would import it twice when its package imports it)."""
    return [sys.executable, "-c", f"from {module} import main; main()"]
