"""What a server may take of us for one answer, in time and memory."""

from __future__ import annotations

import socket
import time

#: A page of a hundred accounts is a hundredth of this.
ANSWER_BYTES_MAX = 4 * 1024 * 1024


class BoundedSocket:
    """A connected socket as ldap3 uses it. What was sent last has to be answered within the time,
    the last byte included: by itself a socket waits that long for each byte anew, and ldap3 for
    each entry, of which a server may send any number."""

    def __init__(self, inner: socket.socket, *, timeout_s: int) -> None:
        self.inner = inner
        self._timeout_s = timeout_s
        self._renew()

    def sendall(self, data: bytes) -> None:
        self._renew()
        self.inner.settimeout(self._timeout_s)
        self.inner.sendall(data)

    def recv(self, size: int) -> bytes:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        if self._left_bytes <= 0:
            raise OSError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        self.inner.settimeout(left_s)
        data = self.inner.recv(size)
        self._left_bytes -= len(data)
        return data

    def shutdown(self, how: int) -> None:
        self.inner.shutdown(how)

    def close(self) -> None:
        self.inner.close()

    def _renew(self) -> None:
        self._until = time.monotonic() + self._timeout_s
        self._left_bytes = ANSWER_BYTES_MAX
