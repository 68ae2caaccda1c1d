from pathlib import Path

import pytest
from hypothesis import settings

# how long an example takes says nothing on a machine that is busy with something else
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def samples() -> Path:
    """One file a dialect, in the layout of its writer and with the irregularities that its files have."""
    return Path(__file__).parent / "samples"
