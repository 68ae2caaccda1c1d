from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def samples() -> Path:
    """One file a dialect, in the layout of its writer and with the irregularities that its files have."""
    return Path(__file__).parent / "samples"
