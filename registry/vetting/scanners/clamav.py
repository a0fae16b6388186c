"""ClamAV, asked over its daemon's socket: outside the jail, which has none.

Source: clamd(8), COMMANDS: `zINSTREAM`, pieces with their length in four bytes, big-endian, and one
of length 0; `zVERSION`. Answers end with NUL.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from registry.ports.scanners import Outcome, ScanAnswer, ScannerError

PIECE_BYTES = 1024 * 1024
ANSWER_BYTES_MAX = 64 * 1024
#: What it calls a file that it did not look at as a whole.
_LIMITS = "Heuristics.Limits.Exceeded"


class ClamAV:
    """`address`: the path of a socket, or a host and a port. Each silence lasts at most
    `timeout_s`."""

    name = "clamav"

    def __init__(self, address: str | tuple[str, int], *, timeout_s: float = 120.0) -> None:
        self._address = address
        self._timeout_s = timeout_s

    @property
    def digest(self) -> str:
        """Of the versions of the engine and of its signatures: it asks anew each time."""
        with self._connected() as channel:
            channel.sendall(b"zVERSION\0")
            answer = _answer(channel)
        if not answer.startswith("ClamAV "):
            raise ScannerError(f"clamd says {answer[:80]!a}, expected its version")
        return hashlib.sha256(answer.encode()).hexdigest()

    def covers(self, role: str) -> bool:
        return True

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        """ScannerError where it cannot be reached. Files longer than its StreamMaxLength are
        inconclusive."""
        file.seek(0)
        with self._connected() as channel:
            try:
                channel.sendall(b"zINSTREAM\0")
                while piece := file.read(PIECE_BYTES):
                    channel.sendall(len(piece).to_bytes(4) + piece)
                channel.sendall(bytes(4))
            except (BrokenPipeError, ConnectionResetError):
                # It hangs up on what is too long, and says so before.
                pass
            return _read(_answer(channel))

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        try:
            if isinstance(self._address, str):
                channel = socket.socket(socket.AF_UNIX)
                channel.settimeout(self._timeout_s)
            else:
                channel = socket.create_connection(self._address, self._timeout_s)
            with channel:
                if isinstance(self._address, str):
                    channel.connect(self._address)
                yield channel
        except OSError as error:
            raise ScannerError(f"clamd cannot be asked: {error}") from error


def _read(answer: str) -> ScanAnswer:
    told = answer.removeprefix("stream: ")
    if told == "OK":
        return ScanAnswer(outcome=Outcome.CLEAN)
    signature = told.removesuffix(" FOUND")
    if signature != told and not signature.startswith(_LIMITS):
        return ScanAnswer(outcome=Outcome.MALICIOUS, message=signature)
    return ScanAnswer(outcome=Outcome.INCONCLUSIVE, message=told)


def _answer(channel: socket.socket) -> str:
    found = bytearray()
    while not found.endswith(b"\0"):
        more = channel.recv(4096)
        if not more or len(found) > ANSWER_BYTES_MAX:
            raise ScannerError(f"clamd's answer does not end: {bytes(found[:80])!r}")
        found += more
    return found[:-1].decode("utf-8", "backslashreplace")
