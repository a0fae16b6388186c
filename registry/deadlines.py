"""An end to what another machine may keep us waiting for.

A socket's timeout is for each step, and one byte is a step: who sends one now and then would be
waited for without end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def shut_at(opened: socket.socket, until: float) -> Iterator[threading.Event]:
    """Shut a socket at a time (of `time.monotonic`), which ends whatever is being done with it, and
    close it at the end. The event says that it came to that."""
    late = threading.Event()

    def shut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            # Not an SSLSocket's own, which takes TLS away from under whoever reads just now.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        opened.close()
