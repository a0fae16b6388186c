"""Posts to receivers that nobody trusts, over HTTP/1.1 and TLS of the standard library.

Not through httpx, for what matters here is what a library does by itself: this one follows nothing,
reads no proxy from the environment, and is given a socket that is connected already, to the address
that was judged. A timer shuts the socket at the deadline, since a timeout of each read would let a
receiver keep us for ever, a byte at a time.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import urlsplit

from registry.deadlines import shut_at
from registry.domain.webhooks import Answer
from registry.names.addresses import Network, judge_address

#: From the question for the host's addresses to the end of the reply.
DEADLINE_S = 10.0
#: More of a reply is not read; what it says is not looked at.
REPLY_BYTES_MAX = 64 * 1024
_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_SECONDS = re.compile(r"[0-9]{1,9}")

_TOO_SLOW = "no reply in time"
_NO_NAME = "the host's name was not found"

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, each once, in the order in which they are to be tried."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A URL in its parts, none of which is shown in an error."""

    scheme: str
    host: str
    port: int
    #: Path and query, which may be a secret of the receiver's.
    target: str = field(repr=False)


class _RefusedError(Exception):
    """Why nothing was sent, in words for the delivery log."""


class HttpSender:
    """`networks`: private ones that may be sent to. `development`: loopback, without TLS too.

    `ca_file`: PEM of the authorities that receivers' certificates are checked against, in place of
    the system's.
    """

    def __init__(
        self,
        *,
        networks: Sequence[Network] = (),
        development: bool = False,
        ca_file: Path | None = None,
        deadline_s: float = DEADLINE_S,
        resolve: Resolve = resolve,
    ) -> None:
        self._networks = tuple(networks)
        self._development = development
        self._tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._deadline_s = deadline_s
        self._resolve = resolve
        self._agent = f"hallmark/{installed_version('hallmark-registry')}"

    def problem_of(self, url: str) -> str | None:
        try:
            place = self._place(url)
            address = ipaddress.ip_address(place.host)
        except _RefusedError as error:
            return str(error)
        except ValueError:
            # A name: which addresses it has is asked at each delivery.
            return None
        return self._judge(str(address), place.scheme)

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        start = time.monotonic()
        status, error, retry_after_s = 0, "", None
        try:
            place = self._place(url)
            until = start + self._deadline_s
            opened = self._connected(place, self._addresses(place, until), until)
            with shut_at(opened, until) as late:
                try:
                    reply = self._post(opened, place, headers, body)
                    if late.is_set():
                        # Headers that were cut off look like headers that ended.
                        raise TimeoutError
                    status = reply.status
                    retry_after_s = _retry_after_s(reply.getheader("Retry-After", ""))
                    _drain(reply)
                except (OSError, http.client.HTTPException, ValueError) as failure:
                    raise _RefusedError(_TOO_SLOW if late.is_set() else _why(failure)) from failure
            if not 200 <= status < 300:
                error = _unwanted(status)
        except _RefusedError as refused:
            error = str(refused)
        duration_ms = int((time.monotonic() - start) * 1000)
        return Answer(
            status=status, error=error, duration_ms=duration_ms, retry_after_s=retry_after_s
        )

    def _place(self, url: str) -> _Place:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _RefusedError("a URL that cannot be read") from None
        allowed = ("https", "http") if self._development else ("https",)
        if parts.scheme not in allowed:
            raise _RefusedError(f"a URL whose scheme is not {' or '.join(allowed)}")
        if "@" in parts.netloc or parts.fragment or port == 0:
            raise _RefusedError("a URL with a user, a fragment, or port 0 in it")
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            raise _RefusedError("a URL with characters that belong escaped")
        if not _HOST.fullmatch(host):
            raise _RefusedError("a URL without a plain host name or address")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Place(
            scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], target=target
        )

    def _judge(self, address: str, scheme: str) -> str | None:
        reason = judge_address(address, networks=self._networks, loopback=self._development)
        if reason is not None:
            return f"an address to which nothing is sent: {reason}"
        if scheme == "http" and not ipaddress.ip_address(address).is_loopback:
            return "http to another machine"
        return None

    def _addresses(self, place: _Place, until: float) -> Sequence[str]:
        """The host's addresses, asked for once. All have to be allowed: a name that also stands for
        an address inside is up to something."""
        found = self._resolved(place, until)
        if not found:
            raise _RefusedError(_NO_NAME)
        for address in found:
            problem = self._judge(address, place.scheme)
            if problem is not None:
                raise _RefusedError(f"the host has {problem}")
        return found

    def _resolved(self, place: _Place, until: float) -> Sequence[str]:
        """In a thread of its own: the system's resolver knows no deadline, and a name server that
        says nothing would hold us for half a minute. It is left behind then, and ends by itself."""
        found: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                found.put(self._resolve(place.host, place.port))
            except (OSError, UnicodeError):
                found.put(())

        threading.Thread(target=ask, name="webhook resolver", daemon=True).start()
        try:
            return found.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise _RefusedError("the host's name was not resolved in time") from None

    def _connected(self, place: _Place, addresses: Sequence[str], until: float) -> socket.socket:
        """A socket to the first address that answers; for https not yet shaken hands on."""
        failure: OSError = TimeoutError()
        for address in addresses:
            left_s = until - time.monotonic()
            if left_s <= 0:
                break
            try:
                opened = socket.create_connection((address, place.port), left_s)
            except OSError as error:
                failure = error
                continue
            if place.scheme == "http":
                return opened
            try:
                _require_silence(opened)
                # The name from the URL: certificate and address have to be those of one receiver.
                return self._tls.wrap_socket(
                    opened, server_hostname=place.host, do_handshake_on_connect=False
                )
            except OSError as error:
                opened.close()
                failure = error
        raise _RefusedError(_why(failure)) from failure

    def _post(
        self, opened: socket.socket, place: _Place, headers: Mapping[str, str], body: bytes
    ) -> http.client.HTTPResponse:
        """The reply up to its body."""
        if isinstance(opened, ssl.SSLSocket):
            opened.do_handshake()
        connection = http.client.HTTPConnection(place.host, place.port)
        connection.sock = opened
        host = f"[{place.host}]" if ":" in place.host else place.host
        default = _PORTS[place.scheme] == place.port
        connection.request(
            "POST",
            place.target,
            body,
            {
                **headers,
                "Host": host if default else f"{host}:{place.port}",
                "Content-Type": "application/json",
                "User-Agent": self._agent,
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
        )
        return connection.getresponse()


def _require_silence(opened: socket.socket) -> None:
    """OSError where a connection is cut already, or the other side speaks first: no TLS does. What
    wraps a socket would stumble over that, and leave it open."""
    timeout_s = opened.gettimeout()
    opened.setblocking(False)
    try:
        first = opened.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        opened.settimeout(timeout_s)
        return
    raise ssl.SSLError("spoken to first") if first else ConnectionResetError


def _drain(reply: http.client.HTTPResponse) -> None:
    """For receivers that mind being cut off; what they say, or whether it ends, is no matter."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        reply.read(REPLY_BYTES_MAX)


def _why(failure: Exception) -> str:
    """A failure in words of ours: a receiver's own are not for a log."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {failure.verify_message}"
    if isinstance(failure, ssl.SSLError):
        return "no TLS was agreed on"
    if isinstance(failure, TimeoutError):
        return _TOO_SLOW
    if isinstance(failure, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(failure, ConnectionError):
        return "the connection was cut"
    if isinstance(failure, OSError):
        return f"it cannot be reached: {failure.strerror or type(failure).__name__}"
    return "what it replied is no HTTP"


def _unwanted(status: int) -> str:
    if 300 <= status < 400:
        return f"status {status}: a redirect, which is not followed"
    return f"status {status}"


def _retry_after_s(text: str) -> int | None:
    """The seconds from now, of both forms that the header has."""
    if _SECONDS.fullmatch(text.strip()):
        return int(text)
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp() - time.time()))
    except (ValueError, OverflowError):
        return None
