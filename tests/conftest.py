"""What holds for every test."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("livetide", deadline=None)  # a deadline is a timed assertion, and this machine may be busy
settings.load_profile("livetide")

# A shell starts what runs in the background deaf to Ctrl-C, `nohup` deaf to a closed terminal, and the programs that the tests
# interrupt would inherit it. A handler, unlike deafness, is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)
