"""Bytes over HTTP/1.1, on the standard library: large pieces, one kept connection a thread.

A file goes out by `sendfile` where no TLS is in the way, so that its bytes never enter Python; what
comes in is received straight into the caller's buffer. A cut of any kind is an UnavailableError
with reason CUT: nothing is retried here, since only the caller knows where to go on.
"""

from __future__ import annotations

import http.client
import json
import selectors
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from registry.client.errors import ClientError, SetupError, UnavailableError, error_of

PIECE_BYTES = 1 << 20
TIMEOUT_S = 60.0
SMALL_BYTES_MAX = 1_000_000
_CUT = "CUT"

#: In what Python and gRPC say of a certificate that is good, but not for this server.
_OTHER_HOST = ("certificate is not valid for", "Hostname Verification Check failed")
#: ... and of a server that closes instead of an answer, as one with TLS does to plain text.
_HUNG_UP = ("closed connection without response", "reset by peer", "Socket closed")

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "UNAVAILABLE",
    409: "ABORTED",
    411: "INVALID_ARGUMENT",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE",
    422: "FAILED_PRECONDITION",
    429: "UNAVAILABLE",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status, headers with lower-case names, and at most 1 MB of body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def number(self, header: str) -> int | None:
        """A header's whole number; None where it is absent or none."""
        text = self.headers.get(header, "")
        return int(text) if text.isascii() and text.isdigit() else None


class Wire:
    """One kept connection. For one thread at a time, save `abort`, which any thread may call."""

    def __init__(self, *, ca_file: Path | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._origin = ("", "")
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def abort(self) -> None:
        """Cut whatever is under way, and refuse what comes after."""
        self._aborted = True
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It is closed already: what was wanted.
                return

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """A request without a body, and an answer with a small one."""
        return self._exchange(method, url, headers or {}, None, _read_small)

    def send(
        self,
        url: str,
        file: BinaryIO,
        *,
        offset: int,
        length: int,
        headers: Mapping[str, str],
        sent: Callable[[int], None],
    ) -> Answer:
        """PATCH `length` bytes of the file from `offset` on; `sent` hears of each piece.

        An answer that comes before the last byte ends the sending, and the connection.
        """
        headers = {**headers, "Content-Length": str(length)}

        def body(connection: http.client.HTTPConnection) -> bool:
            return _send_file(connection.sock, file, offset, length, sent)

        return self._exchange("PATCH", url, headers, body, _read_small)

    def fetch(
        self,
        url: str,
        into: memoryview,
        *,
        headers: Mapping[str, str],
        expected: Callable[[Answer], None],
        received: Callable[[int], None],
    ) -> None:
        """GET just as many bytes as `into` holds. `expected` judges status and headers before."""

        def read(response: http.client.HTTPResponse) -> Answer:
            answer = _head_of(response)
            if answer.status not in (200, 206):
                return _read_small(response)
            expected(answer)
            done = 0
            while done < len(into):
                count = response.readinto(into[done : done + PIECE_BYTES])
                if not count:
                    raise ConnectionError(f"{len(into) - done} bytes are missing")
                done += count
                received(count)
            if response.length:
                # More than was asked for would be taken for the next answer.
                raise http.client.HTTPException(f"{response.length} bytes too many")
            return answer

        answer = self._exchange("GET", url, headers, None, read)
        if answer.status not in (200, 206):
            raise refusal(answer, url)

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Callable[[http.client.HTTPConnection], bool] | None,
        read: Callable[[http.client.HTTPResponse], Answer],
    ) -> Answer:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        kept = False
        try:
            connection = self._connect(parts.scheme, parts.netloc)
            connection.putrequest(method, path or "/", skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            whole = body is None or body(connection)
            response = connection.getresponse()
            answer = read(response)
            kept = whole and not response.will_close and response.isclosed()
        except (OSError, http.client.HTTPException) as cause:
            where = f"{parts.scheme}://{parts.netloc}"
            raise UnavailableError(
                f"The connection to {where} was cut ({cause or type(cause).__name__}). "
                "What was stored so far is kept: run the command again to go on.",
                reason=_CUT,
                metadata={"url": where},
            ) from cause
        finally:
            if not kept:
                self.close()
        return answer

    def _connect(self, scheme: str, origin: str) -> http.client.HTTPConnection:
        if self._aborted:
            raise ConnectionError("aborted")
        if self._connection is not None and self._origin == (scheme, origin):
            return self._connection
        self.close()
        if scheme == "https":
            context = tls_context(self._ca_file)
            self._connection = http.client.HTTPSConnection(
                origin, timeout=self._timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(origin, timeout=self._timeout_s)
        self._origin = (scheme, origin)
        self._connection.response_class = _Response
        self._connection.connect()
        # Requests are a header and then pieces; waiting for more would only delay them.
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection


class _Response(http.client.HTTPResponse):
    """Knows the end of a connection from the end of a head, where its base takes the one for the
    other: of an answer that was cut, half a header would count."""

    def begin(self) -> None:
        file = self.fp
        lines = _Lines(file)
        self.fp = cast(BufferedReader, lines)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = file
        if not lines.last:
            raise ConnectionError("the answer's head was cut")


class _Lines:
    """Lines of a file, of which the last one read is remembered."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.last = b"\r\n"

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._file.readline(limit)
        return self.last

    def close(self) -> None:
        self._file.close()


def get_small(url: str, *, ca_file: Path | None = None) -> bytes:
    """The body of a small document; UnavailableError where nobody answers."""
    wire = Wire(ca_file=ca_file, timeout_s=10.0)
    try:
        answer = wire.ask("GET", url)
    except UnavailableError as cause:
        where = cause.metadata["url"]
        raise unreachable(where, str(cause.__cause__)) from cause
    finally:
        wire.close()
    if answer.status != 200:
        raise refusal(answer, url)
    return answer.body


def unreachable(where: str, found: str) -> UnavailableError:
    """Nobody answered, over HTTP or gRPC: what that was, and what to check."""
    scheme = where.partition("://")[0]
    fix = "Check the address (HALLMARK_URL) and that the server runs: hallmark serve"
    if any(sign in found for sign in _OTHER_HOST):
        fix = "Its certificate is for another name: use that one, or have one made for this."
    elif "CERTIFICATE_VERIFY_FAILED" in found:
        fix = "Name a file with the authority that signed its certificate in HALLMARK_CA_FILE."
    elif "WRONG_VERSION_NUMBER" in found:
        fix = f"It has no TLS: its address begins with {scheme.removesuffix('s')}://"
    elif any(sign in found for sign in _HUNG_UP) and scheme in ("http", "grpc"):
        fix += f". If it has TLS, its address begins with {scheme}s://"
    message = f"No registry answered at {where} ({found}). {fix}"
    return UnavailableError(message, metadata={"url": where})


def refusal(answer: Answer, url: str) -> ClientError:
    """The error of an answer: what its JSON says, else what its status means."""
    try:
        error = json.loads(answer.body)["error"]
        # The word for it is DEADLINE_EXCEEDED, which leaves open what was done. Here that is known:
        # a request that did not come whole is to be sent again.
        code = _STATUSES[408] if answer.status == 408 else str(error["code"])
        return error_of(
            status=code,
            reason=str(error["reason"]),
            message=str(error["message"]),
            metadata={str(key): str(value) for key, value in error["metadata"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        status = _STATUSES.get(answer.status, "UNKNOWN" if answer.status < 500 else "INTERNAL")
        parts = urlsplit(url)
        return error_of(
            status=status,
            reason=f"HTTP_{answer.status}",
            message=f"{parts.scheme}://{parts.netloc} answered HTTP {answer.status} "
            f"without saying why; is a proxy in between?",
        )


def _send_file(
    sock: socket.socket,
    file: BinaryIO,
    offset: int,
    length: int,
    sent: Callable[[int], None],
) -> bool:
    """Send a part of a file; False where the other side answered, or hung up, before its end."""
    plain = not isinstance(sock, ssl.SSLSocket)
    file.seek(offset)
    done = 0
    try:
        # select() would fail in a program that has more than 1,024 files open.
        with selectors.DefaultSelector() as answer:
            answer.register(sock, selectors.EVENT_READ)
            while done < length:
                # Within TLS a readable socket may be a session ticket, so this is no sign there.
                if plain and answer.select(0):
                    return False
                size = min(PIECE_BYTES, length - done)
                start = offset + done
                count = sock.sendfile(file, start, size) if plain else _copy(sock, file, size)
                if count < size:
                    raise ConnectionError("the file became shorter while it was sent")
                done += count
                sent(count)
    except (BrokenPipeError, ConnectionResetError):
        # The reason may already lie in the receive buffer.
        return False
    return True


def _copy(sock: socket.socket, file: BinaryIO, size: int) -> int:
    data = file.read(size)
    sock.sendall(data)
    return len(data)


def _head_of(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(status=response.status, headers=headers)


def _read_small(response: http.client.HTTPResponse) -> Answer:
    head = _head_of(response)
    body = response.read(SMALL_BYTES_MAX)
    if response.length and len(body) < SMALL_BYTES_MAX:
        # Of a server that was killed behind its headers. The library says nothing of it.
        raise ConnectionError(f"{response.length} bytes of the answer are missing")
    return Answer(status=head.status, headers=head.headers, body=body)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authorities in the file, None: the system's. SetupError where there are none."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as cause:
        raise SetupError(
            f"The certificate file {ca_file}: found no certificate to use ({cause}). "
            "Check HALLMARK_CA_FILE."
        ) from cause
