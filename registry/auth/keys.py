"""An issuer's public keys: fetched from where the operator said, kept, renewed when they change.

Keys are looked up anew after `RENEW_US`, and at once for a key id that is not among them; in any
case not within `PAUSE_US` of the last try, so that forged ids cannot make us hammer the issuer.
While the issuer is down, the last good keys hold for `KEPT_US`.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from registry.auth.jwk import PublicKey, read_key_set
from registry.deadlines import shut_at
from registry.errors import IssuerUnavailableError

logger = logging.getLogger(__name__)

RENEW_US = 600 * 1_000_000
PAUSE_US = 15 * 1_000_000
KEPT_US = 24 * 3600 * 1_000_000
#: So many callers may wait for a fetch; the rest are answered from what is there.
WAITING_MAX = 4
DOCUMENT_BYTES_MAX = 256 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
#: For a connection, and for the whole of a fetch.
STEP_TIMEOUT_S = 5.0
FETCH_TIMEOUT_S = 10.0


class KeySourceError(Exception):
    """The document could not be had, or is none; the text says why. Stays within this package."""


class KeySource(Protocol):
    def read(self) -> bytes:
        """The key set's document, at most `DOCUMENT_BYTES_MAX`. Raises KeySourceError."""


class KeyFile:
    """A file that the operator keeps up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                data = file.read(DOCUMENT_BYTES_MAX + 1)
        except OSError as error:
            raise KeySourceError(f"{self._path} cannot be read: {error.strerror}") from error
        if len(data) > DOCUMENT_BYTES_MAX:
            raise KeySourceError(f"{self._path} has more than {DOCUMENT_BYTES_MAX} bytes")
        return data


class KeyUrl:
    """An https address. No redirect is followed, no proxy asked, nothing unpacked, so nobody but
    the host that the operator named can answer, and it can make us hold so much and no more."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, *, timeout_s: float = FETCH_TIMEOUT_S
    ) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = tls
        self._timeout_s = timeout_s

    def read(self) -> bytes:
        until = time.monotonic() + self._timeout_s
        try:
            opened = self._tls.wrap_socket(
                socket.create_connection((self._host, self._port), STEP_TIMEOUT_S),
                server_hostname=self._host,
                do_handshake_on_connect=False,
            )
        except (OSError, ValueError) as error:
            raise KeySourceError(f"{self._url}: {error or type(error).__name__}") from error
        with shut_at(opened, until) as late:
            try:
                data = self._ask(opened)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = self._too_slow() if late.is_set() else f"{error or type(error).__name__}"
                raise KeySourceError(f"{self._url}: {problem}") from error
            if late.is_set():
                # What was cut off may look like what ended.
                raise KeySourceError(f"{self._url}: {self._too_slow()}")
        return data

    def _ask(self, opened: ssl.SSLSocket) -> bytes:
        opened.do_handshake()
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = opened
        connection.request("GET", self._target, headers=_HEADERS)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}, expected 200")
        data = answer.read(DOCUMENT_BYTES_MAX + 1)
        if len(data) > DOCUMENT_BYTES_MAX:
            raise ValueError(f"over {DOCUMENT_BYTES_MAX} bytes")
        if answer.length:
            raise ValueError("it ended before it was whole")
        return data

    def _too_slow(self) -> str:
        return f"not whole in {self._timeout_s:g} s"


class IssuerKeys:
    """Threads share one. What is known is found without a lock."""

    def __init__(self, issuer: str, source: KeySource) -> None:
        self._issuer = issuer
        self._source = source
        #: Keys by id, and when they were fetched.
        self._known: tuple[Mapping[str, PublicKey], int] | None = None
        self._next_try_us = 0
        self._fetching = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING_MAX)

    def find(self, kid: str, now_us: int) -> PublicKey | None:
        """The key of this id, None where the issuer publishes none.

        Raises IssuerUnavailableError where no keys are known that are fresh enough.
        """
        known = self._known
        if known is not None and kid in known[0] and now_us < known[1] + KEPT_US:
            if now_us >= known[1] + RENEW_US:
                # Whoever comes first renews them; the others go on with what is there.
                self._renew(now_us, wait=False)
        else:
            self._renew(now_us, wait=True)
        known = self._known
        if known is None or now_us >= known[1] + KEPT_US:
            raise IssuerUnavailableError(issuer=self._issuer, retry_s=PAUSE_US // 1_000_000)
        return known[0].get(kid)

    def load(self, now_us: int) -> None:
        """Fetch now, whatever is known. Raises KeySourceError or ValueError."""
        self._known = (read_key_set(self._source.read()), now_us)

    def _renew(self, now_us: int, *, wait: bool) -> None:
        # Where somebody is fetching, what comes of it is worth waiting for.
        if now_us < self._next_try_us and not self._fetching.locked():
            return
        if not self._waiting.acquire(blocking=False):
            return
        try:
            if not self._fetching.acquire(timeout=FETCH_TIMEOUT_S if wait else 0):
                return
            try:
                # The one before may have fetched while this one waited.
                if now_us >= self._next_try_us:
                    self._next_try_us = now_us + PAUSE_US
                    self._try_to_load(now_us)
            finally:
                self._fetching.release()
        finally:
            self._waiting.release()

    def _try_to_load(self, now_us: int) -> None:
        try:
            self.load(now_us)
        except (KeySourceError, ValueError) as error:
            logger.warning("the keys of issuer %s cannot be renewed: %s", self._issuer, error)
