"""A network between a client and a server that fails on demand, at the very byte that is wanted."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeAlias

PIECE_BYTES = 64 * 1024
_POLL_S = 0.2


class Side(StrEnum):
    """Which way bytes go: up to the server, or down to the client."""

    UP = "up"
    DOWN = "down"


class End(StrEnum):
    """What becomes of a connection: closed, reset, or silent for a while and then reset."""

    CUT = "cut"
    RESET = "reset"
    STALL = "stall"


#: Made for one connection. Sees each of its pieces that is about to pass, and returns how many
#: bytes of it still do before the connection ends; None where nothing is to happen yet.
Trigger: TypeAlias = Callable[[bytes], int | None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One connection's misfortune. `trigger` makes one for a connection."""

    side: Side
    trigger: Callable[[], Trigger]
    end: End = End.CUT
    stall_s: float = 0.0


def after(count: int) -> Callable[[], Trigger]:
    """A connection ends when so many more bytes have passed."""

    def made() -> Trigger:
        left = count

        def trigger(piece: bytes) -> int | None:
            nonlocal left
            if left <= len(piece):
                return left
            left -= len(piece)
            return None

        return trigger

    return made


def after_word(word: bytes) -> Callable[[], Trigger]:
    """A connection ends after a piece with this word, which is passed on whole."""
    return lambda: lambda piece: len(piece) if word in piece else None


def before_reply() -> Trigger:
    """Ends before a server of gRPC answers: it has done what it was asked to do, and nobody has
    heard of it. For the way down of connections that are still to be made."""
    frames = _Frames()
    return lambda piece: next(
        (start for kind, _, start, _ in frames.of(piece) if kind == _HEADERS), None
    )


def after_request() -> Trigger:
    """Ends after the last byte of a call to a server of gRPC, which may then do it or not. For the
    way up of connections that are still to be made."""
    frames = _Frames()
    return lambda piece: next(
        (end for kind, flags, _, end in frames.of(piece) if kind == _DATA and flags & _LAST), None
    )


# https://www.rfc-editor.org/rfc/rfc9113#section-6
_DATA, _HEADERS, _LAST = 0, 1, 1
_HEAD_BYTES = 9
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class _Frames:
    """HTTP/2 frames in one direction of a connection, seen from its first byte on."""

    def __init__(self) -> None:
        self._held = b""
        self._skip = 0
        self._at_start = True

    def of(self, piece: bytes) -> Iterator[tuple[int, int, int, int]]:
        """Kind, flags, start and end of each frame whose head ends in this piece. Either may lie
        outside of the piece, and is then its nearer end."""
        data, before = self._held + piece, len(self._held)
        if self._at_start and len(data) >= len(_PREFACE):
            self._at_start = False
            if data.startswith(_PREFACE):
                self._skip = len(_PREFACE)
        at = self._skip
        while at + _HEAD_BYTES <= len(data):
            end = at + _HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
            start = max(0, at - before)
            yield data[at + 3], data[at + 4], start, min(end, len(data)) - before
            at = end
        self._skip = max(0, at - len(data))
        self._held = data[at:]


class FaultProxy:
    """Passes bytes between 127.0.0.1:`port` and a server's port, from its making until `close`.

    Faults come about one at a time, in the order given, to the first connection that gets so far.
    `moved` counts the bytes passed on, `done` the faults that came about. While `bytes_per_s` is
    set, each connection is slowed down to it.
    """

    def __init__(self, port_behind: int) -> None:
        self._port_behind = port_behind
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.moved = {Side.UP: 0, Side.DOWN: 0}
        self.done = 0
        self.connections = 0
        self.bytes_per_s = 0
        self._run(self._accept)

    def spoil(self, *faults: Fault) -> None:
        with self._lock:
            self._faults.extend(faults)

    def calm(self) -> None:
        """Spare connections the faults that have not come about."""
        with self._lock:
            self._faults.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cut what is open; returns when all is closed."""
        self._closed = True
        # Wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="fault-proxy", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                # Shut down by `close`.
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port_behind), timeout=10)
            except OSError:
                # The server is down: the client is to see just that.
                client.close()
                continue
            self.connections += 1
            self._run(_Relay(self, client, server).run)

    def next_fault(self) -> Fault | None:
        """For a relay: the fault that is to come about next."""
        with self._lock:
            return self._faults[0] if self._faults else None

    def came_about(self, fault: Fault) -> None:
        with self._lock:
            if self._faults and self._faults[0] is fault:
                self._faults.popleft()
            self.done += 1

    def count(self, side: Side, size: int) -> None:
        with self._lock:
            self.moved[side] += size

    @property
    def closed(self) -> bool:
        return self._closed


class _Relay:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._sinks = {client: server, server: client}
        self._sides = {client: Side.UP, server: Side.DOWN}
        self._fault: Fault | None = None
        self._trigger: Trigger | None = None
        for each in self._sinks:
            each.setblocking(True)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        end: Fault | None = None
        try:
            end = self._pass_on()
        except OSError:
            # One of the two has hung up: the other is to see it.
            end = None
        finally:
            self._close(end)

    def _pass_on(self) -> Fault | None:
        """Until both sides are through or a fault comes about, which is returned."""
        with selectors.DefaultSelector() as reading:
            for source in self._sinks:
                reading.register(source, selectors.EVENT_READ, source)
            while reading.get_map() and not self._proxy.closed:
                for key, _ in reading.select(_POLL_S):
                    if (fault := self._pass_from(key.data, reading)) is not None:
                        return fault
        return None

    def _pass_from(self, source: socket.socket, reading: selectors.BaseSelector) -> Fault | None:
        piece = source.recv(PIECE_BYTES)
        if piece:
            return self._pass_piece(source, piece)
        reading.unregister(source)
        self._sinks[source].shutdown(socket.SHUT_WR)
        return None

    def _pass_piece(self, source: socket.socket, piece: bytes) -> Fault | None:
        side = self._sides[source]
        fault = self._proxy.next_fault()
        if fault is not self._fault:
            self._fault, self._trigger = fault, fault.trigger() if fault else None
        concerned = fault is not None and fault.side is side and self._trigger is not None
        passing = self._trigger(piece) if concerned and self._trigger else None
        whole = piece if passing is None else piece[:passing]
        self._sinks[source].sendall(whole)
        self._proxy.count(side, len(whole))
        if self._proxy.bytes_per_s:
            time.sleep(len(whole) / self._proxy.bytes_per_s)
        if fault is None or passing is None:
            return None
        self._proxy.came_about(fault)
        return fault

    def _close(self, fault: Fault | None) -> None:
        if fault is not None and fault.end is End.STALL:
            time.sleep(fault.stall_s)
        for each in self._sinks:
            if fault is not None and fault.end is not End.CUT:
                # A close that does not linger resets the connection.
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
