"""Becomes another program: gives up root if told to, and asks the system to end it when the supervisor is killed.

    python -I -S launcher.py SUPERVISOR_PID DEATH_SIGNAL UID GID PROGRAM [ARGUMENT…]     (UID and GID "-": as we are)

A program of its own rather than a `preexec_fn`: that would run Python between fork and exec of a process with threads.
It imports nothing of ours, and runs with the rights of whoever started it until the lines below.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Never returns."""
    parent, death_signal, uid, gid, *command = sys.argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After the change of account, which would undo it. Exec keeps it.
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the supervisor has gone")  # before the system could be asked to tell us
    os.execv(command[0], command)  # noqa: S606 - replaces us by what the supervisor named


main()
