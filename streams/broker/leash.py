"""Become a program that ends when its starter ends: ``python leash.py STARTER SIGNAL PROGRAM ARGUMENT…``.

Run as a script, before the program, in the program's own process: the kernel is asked for SIGNAL at the starter's death
(prctl(2), PR_SET_PDEATHSIG, which survives exec), then the program takes the process over. A script of its own, because code
between fork and exec in a process with threads (librdkafka's, for one) can deadlock.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(starter: int, signal_number: int, *command: str) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != starter:  # it died before the kernel was told
        raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606 - the program's arguments come from our own code, without a shell


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
