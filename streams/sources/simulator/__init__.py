"""``sim:SEED``: a simulated live room with planted truth, and its rendered video."""

from streams.sources.simulator.counter import read_frame_counter
from streams.sources.simulator.room import Simulation, open_simulation
from streams.sources.simulator.truth import Truth, read_truth, write_truth

__all__ = ["Simulation", "Truth", "open_simulation", "read_frame_counter", "read_truth", "write_truth"]
