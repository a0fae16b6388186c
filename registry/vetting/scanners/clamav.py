"""ClamAV, asked over its daemon's socket: outside the jail, which has none.

Source: clamd(8), COMMANDS: `zINSTREAM`, pieces with their length in four bytes, big-endian, and one
of length 0; `zVERSION`. Answers end with NUL.
"""

from __future__ import annotations

import hashlib
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from registry.ports.scanners import Outcome, ScanAnswer, ScannerError

PIECE_BYTES = 1024 * 1024
ANSWER_BYTES_MAX = 64 * 1024
#: What it calls a file that it did not look at as a whole.
_LIMITS = "Heuristics.Limits.Exceeded"


class ClamAV:
    """`address`: the path of a socket, or a host and a port. One question takes at most `timeout_s`
    in all, and longer by the file's size at `bytes_per_s`."""

    name = "clamav"

    def __init__(
        self,
        address: str | tuple[str, int],
        *,
        timeout_s: float = 120.0,
        bytes_per_s: float = 20e6,
    ) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._bytes_per_s = bytes_per_s

    @property
    def version(self) -> str:
        """Of the engine and of its signatures, in its own words: it is asked anew each time.
        ScannerError where it does not say."""
        until = time.monotonic() + self._timeout_s
        with self._connected(until) as channel:
            channel.sendall(b"zVERSION\0")
            answer = _answer(channel, until)
        if not answer.startswith("ClamAV "):
            raise ScannerError(f"clamd says {answer[:80]!a}, expected its version")
        return answer

    @property
    def digest(self) -> str:
        """Of that version."""
        return hashlib.sha256(self.version.encode()).hexdigest()

    def covers(self, role: str) -> bool:
        return True

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        """ScannerError where it cannot be reached. Files longer than its StreamMaxLength are
        inconclusive."""
        size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        until = time.monotonic() + self._timeout_s + size_bytes / self._bytes_per_s
        with self._connected(until) as channel:
            try:
                channel.sendall(b"zINSTREAM\0")
                while piece := file.read(PIECE_BYTES):
                    # One that takes a little of each piece at a time would else be waited for
                    # forever.
                    channel.settimeout(_left_s(until))
                    channel.sendall(len(piece).to_bytes(4) + piece)
                channel.sendall(bytes(4))
            except (BrokenPipeError, ConnectionResetError):
                # It hangs up on what is too long, and says so before.
                pass
            return _read(_answer(channel, until))

    @contextmanager
    def _connected(self, until: float) -> Iterator[socket.socket]:
        try:
            if isinstance(self._address, str):
                channel = socket.socket(socket.AF_UNIX)
                channel.settimeout(_left_s(until))
            else:
                channel = socket.create_connection(self._address, _left_s(until))
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


def _answer(channel: socket.socket, until: float) -> str:
    found = bytearray()
    while not found.endswith(b"\0"):
        channel.settimeout(_left_s(until))
        more = channel.recv(4096)
        if not more or len(found) > ANSWER_BYTES_MAX:
            raise ScannerError(f"clamd's answer does not end: {bytes(found[:80])!r}")
        found += more
    return found[:-1].decode("utf-8", "backslashreplace")


def _left_s(until: float) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("its time is up")
    return left_s
