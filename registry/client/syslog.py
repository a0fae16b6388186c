"""Audit events as syslog: lines of RFC 5424, and the ways to send them.

    <109>1 2026-11-20T22:06:00.000000Z hub.corp hallmark - stage.move [hallmark@32473 ...] BOM text

Facility 13 (log audit), severity 5 (notice). The structured data have every member of the event,
so that its hash can be made again. 32473 is the enterprise number that RFC 5612 sets aside for
documentation: Hallmark has none of its own.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from urllib.parse import urlsplit

from registry.client.errors import SetupError, UnavailableError
from registry.client.http import tls_context
from registry.client.values import Event

PRIORITY = 13 * 8 + 5
SD_ID = "hallmark@32473"
FRAMINGS = ("newline", "octet-counting")
#: The most that UDP over IPv4 carries.
DATAGRAM_BYTES_MAX = 65_507
TIMEOUT_S = 10.0
_BOM = "\ufeff"
_SD_ESCAPED = re.compile(r'["\\\]]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")


def line_of(event: Event, *, host: str = "-", with_detail: bool = True) -> bytes:
    """One message, without framing."""
    _, shard, _, number = event.name.split("/")
    time = event.time.astimezone(UTC) if event.time else None
    stamp = f"{time:%Y-%m-%dT%H:%M:%S.%fZ}" if time else "-"
    data = {
        "shard": shard,
        "number": number,
        "actor": event.actor,
        "action": event.action,
        "resource": event.resource,
        "namespace": event.namespace,
        **({"detail": event.detail_json} if with_detail else {}),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }
    params = "".join(f' {name}="{_escaped(value)}"' for name, value in data.items())
    header = f"<{PRIORITY}>1 {stamp} {_header(host, 255)} hallmark - {_header(event.action, 32)}"
    text = _plain(f"{event.action} {event.resource} by {event.actor}")
    return f"{header} [{SD_ID}{params}] {_BOM}{text}".encode(errors="replace")


def framed(line: bytes, framing: str) -> bytes:
    """A message in a stream (RFC 6587): with its length before it, or a newline behind it."""
    return b"%d %s" % (len(line), line) if framing == "octet-counting" else line + b"\n"


def _escaped(value: str) -> str:
    """RFC 5424, 6.3.3. Controls, which no event of ours has, are spelled out: a newline would end
    the message for readers of lines."""
    return _SD_ESCAPED.sub(lambda found: "\\" + found[0], _plain(value))


def _plain(text: str) -> str:
    return _CONTROL.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def _header(text: str, length_max: int) -> str:
    return _UNPRINTABLE.sub("?", text)[:length_max] or "-"


class SyslogSender:
    """Sends to `tcp://host:port`, `tls://host:port` or `udp://host:port`; connects at once.

    TCP tells nobody what arrived: after a cut, the last messages may be lost or come twice.
    """

    def __init__(self, url: str, *, framing: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        try:
            self._host, self._port = parts.hostname or "", parts.port or 0
        except ValueError:
            self._host, self._port = "", 0
        rest = parts.path or parts.query or parts.fragment or parts.username
        if parts.scheme not in ("tcp", "tls", "udp") or not self._host or not self._port or rest:
            raise SetupError(
                f"{url}: expected tcp://host:port, tls://host:port or udp://host:port.",
                metadata={"url": url},
            )
        self._scheme, self._url = parts.scheme, url
        self._framing = framing
        self._ca_file = ca_file
        self._socket: socket.socket = self._connect()

    def send(self, lines: Iterable[tuple[Event, bytes]]) -> None:
        """UnavailableError where they cannot be sent, some of them perhaps after all."""
        try:
            if self._scheme == "udp":
                for event, line in lines:
                    fits = len(line) <= DATAGRAM_BYTES_MAX
                    self._socket.send(line if fits else line_of(event, with_detail=False))
                return
            data = b"".join(framed(line, self._framing) for _, line in lines)
            self._socket.sendall(data)
        except OSError as cause:
            raise self._unreachable(cause) from cause

    def close(self) -> None:
        self._socket.close()

    def _connect(self) -> socket.socket:
        try:
            if self._scheme == "udp":
                found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
                opened = socket.socket(found[0], found[1])
                opened.connect(found[4])
                return opened
            opened = socket.create_connection((self._host, self._port), timeout=TIMEOUT_S)
            if self._scheme == "tcp":
                return opened
            context: ssl.SSLContext = tls_context(self._ca_file)
            try:
                return context.wrap_socket(opened, server_hostname=self._host)
            except OSError:
                opened.close()
                raise
        except OSError as cause:
            raise self._unreachable(cause) from cause

    def _unreachable(self, cause: OSError) -> UnavailableError:
        reason = cause.strerror or type(cause).__name__
        return UnavailableError(
            f"{self._url}: the syslog server cannot be reached ({reason}). Check the address, then "
            "go on with --resume.",
            metadata={"url": self._url},
        )
