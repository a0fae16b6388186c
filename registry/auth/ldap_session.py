"""Connections to LDAP servers, with each unsafe default of ldap3 closed; no other file opens any.

What is closed, and why: `README.md`.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPOperationResult

from registry.auth.ldap_socket import BoundedSocket
from registry.domain.directory import LdapSettings
from registry.errors import DirectoryUnavailableError
from registry.ports.clock import Clock

logger = logging.getLogger(__name__)

#: A server that could not be reached is asked last for so long.
DEAD_US = 30_000_000
PAGE_SIZE = 100
_SUCCESS = 0
_SIZE_LIMIT_EXCEEDED = 4
#: The directory has judged: constraint violation (locked), no such object (as some servers call who
#: is not there), inappropriate authentication (there is no password), invalid credentials,
#: unwilling to perform (expired, disabled). What else a bind may end with says nothing of the
#: password.
_WRONG_PASSWORD = frozenset({19, 32, 48, 49, 53})


@dataclass(frozen=True, kw_only=True)
class Entry:
    dn: str
    #: By attribute in lower case.
    values: Mapping[str, tuple[bytes, ...]]

    def first(self, attribute: str) -> bytes:
        """Its first value; empty for none."""
        return next(iter(self.values.get(attribute.lower(), ())), b"")


class Session:
    """One connection, bound as the account that searches."""

    def __init__(self, url: str, connection: ldap3.Connection) -> None:
        self.url = url
        #: Whether an answer stayed away, or was none: another one may come for the next question.
        self.is_broken = False
        self._connection = connection

    def few(
        self, base: str, filter: str, attributes: Sequence[str], *, own: bool = False
    ) -> list[Entry]:
        """At most two entries: enough to tell one from several. `own`: the base itself alone."""
        with self._asking(f"search of {base}"):
            self._connection.search(
                base,
                filter,
                search_scope=ldap3.BASE if own else ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                size_limit=2,
            )
            found = self._entries()
            code = self._connection.result["result"]
            # More than two is as good as two. Any other limit of the server's is not.
            if code != _SUCCESS and (code != _SIZE_LIMIT_EXCEEDED or len(found) < 2):
                raise DirectoryUnavailableError(found=self._refused(base))
            return found

    def all(self, base: str, filter: str, attributes: Sequence[str], *, most: int) -> list[Entry]:
        """All entries, page by page. Too many, or fewer than there are, is an error."""
        found: list[Entry] = []
        cookie: bytes | None = None
        with self._asking(f"search of {base}"):
            while True:
                self._connection.search(
                    base,
                    filter,
                    search_scope=ldap3.SUBTREE,
                    dereference_aliases=ldap3.DEREF_NEVER,
                    attributes=list(attributes),
                    paged_size=PAGE_SIZE,
                    paged_criticality=True,
                    paged_cookie=cookie,
                )
                if self._connection.result["result"] != _SUCCESS:
                    raise DirectoryUnavailableError(found=self._refused(base))
                found += self._entries()
                if len(found) > most:
                    raise DirectoryUnavailableError(
                        found=f"search of {base} for {filter} finds more than {most} entries"
                    )
                cookie = self._next_page()
                if not cookie:
                    return found

    def close(self) -> None:
        try:
            self._connection.unbind()
        except Exception as error:  # noqa: BLE001 - it is over either way
            logger.debug("closing %s: %s", self.url, error)
            if self._connection.socket is not None:
                self._connection.socket.close()

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            with _told(what):
                yield
        except DirectoryUnavailableError as error:
            # Without a cause it is a judgement of ours on an answer.
            cause = error.__cause__
            self.is_broken = cause is not None and not isinstance(cause, LDAPOperationResult)
            raise

    def _entries(self) -> list[Entry]:
        """What was found here. References to other servers are never followed, hence left out."""
        return [
            Entry(
                dn=item["dn"],
                values={k.lower(): tuple(v) for k, v in item["raw_attributes"].items()},
            )
            for item in self._connection.response or ()
            if item["type"] == "searchResEntry"
        ]

    def _next_page(self) -> bytes | None:
        controls = self._connection.result.get("controls") or {}
        paging = controls.get("1.2.840.113556.1.4.319")
        cookie: bytes | None = paging["value"]["cookie"] if paging else None
        return cookie

    def _refused(self, base: str) -> str:
        result = self._connection.result
        return f"{self.url} ended the search of {base} with {result['description']}"


class Servers:
    """The servers of one directory, asked in order, those that were dead a moment ago last."""

    def __init__(self, settings: LdapSettings, *, password: str, clock: Clock) -> None:
        """Raises OSError (of which ssl.SSLError is one) where the authority cannot be used."""
        self._settings = settings
        self._password = password
        self._clock = clock
        self._tls = _StrictTls(settings.ca_file, timeout_s=settings.timeout_s)
        self._dead_until: dict[str, int] = {}

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection to the first server that can be reached, bound as who searches."""
        failures = []
        for url in self.in_order():
            try:
                session = self.open(url)
            except DirectoryUnavailableError as error:
                self._dead_until[url] = self._clock.now_us() + DEAD_US
                failures.append(error.found)
                continue
            self._dead_until.pop(url, None)
            break
        else:
            raise DirectoryUnavailableError(found="; ".join(failures))
        try:
            yield session
        finally:
            session.close()

    def in_order(self) -> list[str]:
        now = self._clock.now_us()
        return sorted(self._settings.urls, key=lambda url: self._dead_until.get(url, 0) > now)

    def open(self, url: str) -> Session:
        """A connection to this server, bound as who searches."""
        connection = self.connect(url, self._settings.bind_dn, self._password)
        session = Session(url, connection)
        try:
            if not self._bind(url, connection):
                raise DirectoryUnavailableError(
                    found=f"{url} does not take the password of {self._settings.bind_dn}"
                )
        except BaseException:
            session.close()
            raise
        return session

    def takes(self, url: str, dn: str, password: str) -> bool:
        """Whether this is the password of that DN, tried on a connection of its own: one that was
        bound before could answer for whom it was bound as."""
        connection = self.connect(url, dn, password)
        try:
            return self._bind(url, connection)
        finally:
            Session(url, connection).close()

    def connect(self, url: str, dn: str, password: str) -> ldap3.Connection:
        """A connection on which nothing was said yet but what encrypts it."""
        parts = urlsplit(url)
        with _told(url):
            server = ldap3.Server(
                parts.hostname or "",
                port=parts.port or (636 if parts.scheme == "ldaps" else 389),
                use_ssl=parts.scheme == "ldaps",
                tls=self._tls,
                connect_timeout=self._settings.timeout_s,
                get_info=ldap3.NONE,
                allowed_referral_hosts=[],
            )
            connection = ldap3.Connection(
                server,
                user=dn,
                # As bytes, sent as they are: prepared as ldap3 does it, characters that are seen
                # nowhere vanish, and without any password a bind "succeeds" (RFC 4513, 5.1.2).
                password=password.encode(),  # type: ignore[arg-type]
                authentication=ldap3.SIMPLE,
                client_strategy=ldap3.SYNC,
                auto_bind=ldap3.AUTO_BIND_NONE,
                auto_referrals=False,
                receive_timeout=self._settings.timeout_s,
                read_only=True,
                raise_exceptions=True,
                check_names=False,
            )
            _close_what_fails(connection)
            connection.open(read_server_info=False)
            self._bound(connection)
            try:
                if parts.scheme == "ldap" and self._settings.start_tls:
                    self._encrypt(url, connection)
                    self._bound(connection)
            except BaseException:
                connection.socket.close()
                raise
            return connection

    def _bound(self, connection: ldap3.Connection) -> None:
        timeout_s = self._settings.timeout_s
        connection.socket = BoundedSocket(connection.socket, timeout_s=timeout_s)

    def _encrypt(self, url: str, connection: ldap3.Connection) -> None:
        if not connection.start_tls(read_server_info=False) or not connection.tls_started:
            raise DirectoryUnavailableError(found=f"{url} does not do StartTLS")

    def _bind(self, url: str, connection: ldap3.Connection) -> bool:
        if not connection.password:
            raise DirectoryUnavailableError(found=f"no password of {connection.user} is known")
        with _told(url):
            try:
                connection.bind(read_server_info=False)
            except LDAPOperationResult as refused:
                if refused.result not in _WRONG_PASSWORD:
                    raise
                return False
            # A referral is no exception of ldap3's, and no word on the password.
            if connection.result["result"] != _SUCCESS or not connection.bound:
                found = f"{url} answered the bind with {connection.result['description']}"
                raise DirectoryUnavailableError(found=found)
            return True


def _close_what_fails(connection: ldap3.Connection) -> None:
    """ldap3 leaves a socket open that did not get through, one for each address of the host."""
    strategy: Any = connection.strategy
    open_socket = strategy._open_socket

    def opening(*args: Any, **kwargs: Any) -> None:
        try:
            open_socket(*args, **kwargs)
        except BaseException:
            if connection.socket is not None:
                connection.socket.close()
            raise

    strategy._open_socket = opening


#: ldap3 puts what went wrong into a tuple, and the text of that into another.
_WRAPPING = re.compile(r"""^(?:\(["'])+|(?:["'],?\))+$""")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Any failure of ldap3's as ours. What a server sends can make it raise anything."""
    try:
        yield
    except DirectoryUnavailableError:
        raise
    except LDAPException as error:
        raise DirectoryUnavailableError(found=f"{what}: {_short(error)}") from error
    except Exception as error:
        raise DirectoryUnavailableError(
            found=f"{what}: no answer, or one that is no LDAP ({type(error).__name__})"
        ) from error


def _short(error: LDAPException) -> str:
    if isinstance(error, LDAPOperationResult):
        return str(error.description)
    return _WRAPPING.sub("", " ".join(str(error).split()))[:200]


class _StrictTls(ldap3.Tls):
    """Checks authority and name of each server, by Python's own rules instead of ldap3's, which
    take a certificate's subject for its name and overlook addresses."""

    def __init__(self, ca_file: Path | None, *, timeout_s: int) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._timeout_s = timeout_s
        self._context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        plain = connection.socket
        if isinstance(plain, BoundedSocket):
            plain = plain.inner
        plain.settimeout(self._timeout_s)
        # Small messages would else wait for 40 ms until the other side says that it has the last.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket = self._context.wrap_socket(plain, server_hostname=connection.server.host)
