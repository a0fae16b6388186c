"""A network that fails on demand: a TCP proxy that cuts connections and changes bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeAlias

PIECE_BYTES = 64 * 1024

#: What goes on instead of a piece, given the bytes that went that way before; None cuts.
Change: TypeAlias = Callable[[bytes, int], bytes | None]


class FaultyProxy:
    """Forwards to `target` from its making until `close`.

    `up` and `down` see every piece with the count of bytes that went that way before it, over all
    connections, and return what goes on instead; None cuts the connection. They may be replaced at
    any time. `up_bytes` and `down_bytes` count what was passed on.
    """

    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self.up: Change = pass_on
        self.down: Change = pass_on
        self.up_bytes = 0
        self.down_bytes = 0
        #: Set once `hold_after` has brought everything to a halt.
        self.held = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closed = False
        self._start(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def hold_after(self, count: int) -> Change:
        """Lets so many more bytes through, then holds everything until `release`."""
        left = count

        def change(piece: bytes, before: int) -> bytes:
            nonlocal left
            left -= len(piece)
            if left < 0 and not self.held.is_set():
                self._flowing.clear()
                self.held.set()
            return piece

        self.held.clear()
        return change

    def release(self) -> None:
        self.up = self.down = pass_on
        self._flowing.set()

    def close(self) -> None:
        self.release()
        with self._lock:
            self._closed = True
            sockets = list(self._sockets)
        # Wakes accept, which closing alone would not.
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for each in sockets:
            _shut(each)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._closed or self.target is None:
                client.close()
                if self._closed:
                    return
                continue
            try:
                server = socket.create_connection(self.target)
            except OSError:
                # Nobody serves at the moment: the client sees what it would see without us.
                client.close()
                continue
            with self._lock:
                self._sockets |= {client, server}
            self._start(partial(self._pump, client, server, up=True))
            self._start(partial(self._pump, server, client, up=False))

    def _pump(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        try:
            while piece := source.recv(PIECE_BYTES):
                with self._lock:
                    change = self.up if up else self.down
                    changed = change(piece, self.up_bytes if up else self.down_bytes)
                    if changed is None:
                        break
                    if up:
                        self.up_bytes += len(changed)
                    else:
                        self.down_bytes += len(changed)
                self._flowing.wait()
                sink.sendall(changed)
        except OSError:
            # Either side hung up, or the other pump cut both.
            _shut(source)
        finally:
            _shut(source)
            _shut(sink)


def pass_on(piece: bytes, before: int) -> bytes:
    return piece


def cut_every(count: int) -> Change:
    """Cuts a connection again and again, each time so many more bytes got through."""
    left = count

    def change(piece: bytes, before: int) -> bytes | None:
        nonlocal left
        left -= len(piece)
        if left < 0:
            left = count
            return None
        return piece

    return change


def cut_from(count: int) -> Change:
    """Lets so many more bytes through, and then none."""
    left = count

    def change(piece: bytes, before: int) -> bytes | None:
        nonlocal left
        left -= len(piece)
        return piece if left >= 0 else None

    return change


def flip_after(count: int, *, times: int) -> Change:
    """Changes one byte of so many pieces, from the one on in which the count is reached."""
    left = count
    flipped = 0

    def change(piece: bytes, before: int) -> bytes:
        nonlocal left, flipped
        left -= len(piece)
        if left >= 0 or flipped == times or len(piece) < PIECE_BYTES // 2:
            return piece
        flipped += 1
        middle = len(piece) // 2
        return piece[:middle] + bytes([piece[middle] ^ 1]) + piece[middle + 1 :]

    return change


def _shut(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Shut by the other pump already.
        each.close()
    else:
        each.close()
