"""A receiver of webhooks on loopback that does what a test tells it to, the worst included."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from registry.testing.certificates import Issued

#: What a receiver does with a connection, the request once read, until it returns.
Behaviour = Callable[[socket.socket, threading.Event], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    line: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes


def replies(status: int, *headers: str, body: bytes = b"") -> Behaviour:
    """A complete reply."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return says("\r\n".join(head).encode() + body)


def says(data: bytes) -> Behaviour:
    """These bytes, whatever they are, and the end."""
    return lambda connection, _: connection.sendall(data)


def hangs(connection: socket.socket, ended: threading.Event) -> None:
    """Nothing, as long as it may."""
    ended.wait(60)


def drips(connection: socket.socket, ended: threading.Event) -> None:
    """A header that never ends, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not ended.wait(0.02):
        connection.sendall(b"x")


def floods(connection: socket.socket, ended: threading.Event) -> None:
    """A body that never ends, as fast as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not ended.is_set():
        connection.sendall(b"x" * 65536)


def resets(connection: socket.socket, ended: threading.Event) -> None:
    """RST in place of a reply."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Receiver:
    """Serves connections one by one, each by `behaviour`. `requests` is what came."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.behaviour: Behaviour = replies(204)
        self.requests: list[Request] = []
        self.connections = 0
        self._ended = threading.Event()
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        # An accept that waits is not ended by a close.
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            pass
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            connection, _ = self._listening.accept()
            self.connections += 1
            # Whoever connects may leave at any moment, and has to where this receiver is bad.
            with suppress(OSError), connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        opened = connection
        if self._tls is not None:
            opened = self._tls.wrap_socket(connection, server_side=True)
        with opened:
            request = _read(opened)
            if request is not None:
                self.requests.append(request)
                self.behaviour(opened, self._ended)


def _read(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as file:
        line = file.readline().decode("latin-1").strip()
        if not line:
            return None
        headers: dict[str, str] = {}
        while header := file.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", "0")))
    return Request(line=line, headers=headers, body=body)


@contextmanager
def receiver(certificate: Issued | None = None) -> Iterator[Receiver]:
    """With a certificate it speaks TLS."""
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.certificate, certificate.key)
    made = Receiver(tls)
    try:
        yield made
    finally:
        made.close()
