"""What every process of a server does alike: it logs, and it hears of being asked to stop."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys

from registry.logs import BulkHandler, LineFormatter

_STANDARD_ERROR = 2

#: Calls and transfers in progress get so long to end when the server is asked to stop.
GRACE_S = 5.0
SWEEP_EVERY_S = 10.0
#: Open at once; more are never needed.
FILES = 65_536


def signals(*numbers: signal.Signals) -> int:
    """A file descriptor from which a byte can be read for each of these that comes from now on.

    Python runs its handlers between two steps of the main thread, which may just be about to wait
    for a lock, and then goes on to wait. The byte is written by the system's handler itself.
    """
    coming, noted = os.pipe()
    os.set_blocking(noted, False)
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return coming


def raise_file_limit() -> None:
    """Have as many files as this process, and those it starts, are allowed: what most are started
    with, 1024, is so few that anybody could use them up by opening connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def fill_standard_streams() -> None:
    """Have all three be open, to nowhere where we were started without one.

    What is opened next would take its place else, and get what is meant for a terminal.
    """
    while (file := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(file, True)
    os.close(file)
    if sys.stderr is None:
        sys.stderr = open(_STANDARD_ERROR, "w", closefd=False)  # noqa: SIM115 - for good


def set_up_logging(level: str) -> None:
    """One line a record on standard error; calls log JSON, see registry/api/calls.py."""
    handler = BulkHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if sys.stderr.isatty() and level == "info":
        # Whoever watches wants the greeting, not a line a call; a log collector wants the lines.
        for name in ("registry.calls", "registry.requests"):
            logging.getLogger(name).setLevel(logging.WARNING)
