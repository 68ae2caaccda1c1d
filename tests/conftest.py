"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("livetide", deadline=None)  # a deadline is a timed assertion, and this machine may be busy
settings.load_profile("livetide")
