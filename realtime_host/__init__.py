"""The digital human: reads commands, speaks, and says what it did, how fast, and what of it is simulated."""
