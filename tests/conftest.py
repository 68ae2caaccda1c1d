"""What holds for every test."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("livetide", deadline=None)  # a deadline is a timed assertion, and this machine may be busy
settings.load_profile("livetide")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background deaf to Ctrl-C, and the programs that the tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
