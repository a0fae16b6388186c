"""People in an LDAP directory: OpenLDAP and the like, or Active Directory."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from ldap3.utils.dn import escape_rdn

from registry.auth.ldap_accounts import Accounts
from registry.auth.ldap_probe import probe
from registry.auth.ldap_session import Entry, Servers, Session
from registry.domain.directory import (
    PASSWORD_BYTES_MAX,
    USER_LENGTH_MAX,
    Account,
    LdapSettings,
    LookedUp,
    Step,
)
from registry.errors import DirectoryUnavailableError, StartError
from registry.ports.clock import Clock

#: For one look at several accounts. A connection that breaks at one of them is replaced by another.
CONNECTIONS_MAX = 3


class LdapDirectory:
    """Implements `ports.directory.Directory`."""

    def __init__(self, settings: LdapSettings, *, clock: Clock) -> None:
        """Raises StartError where a file cannot be used. Asks no server."""
        self.settings = settings
        self._clock = clock
        self.accounts = Accounts(settings, clock=clock)
        password = _password_in(settings.bind_password_file)
        try:
            self.servers = Servers(settings, password=password, clock=clock)
        except OSError as error:
            raise StartError(
                what=f"Authority {settings.ca_file}",
                found=f"it cannot be used: {error}",
                fix="Set HALLMARK_LDAP_CA_FILE to the PEM file of who signed the directory's "
                "certificates.",
            ) from error

    @property
    def name(self) -> str:
        return self.settings.name

    def authenticate(
        self, user: str, password: str, *, admit: Callable[[str], None]
    ) -> Account | None:
        if not is_user_name(user) or not is_password(password):
            return None
        with self.servers.session() as session:
            now = self._clock.now_us()
            entry = self.accounts.by_name(session, user)
            if entry is None:
                # A bind that fails, so that time does not tell who there is.
                self.servers.takes(session.url, self._nobody(), password)
                return None
            admit(self.accounts.stable_id(entry))
            if not self.servers.takes(session.url, entry.dn, password):
                return None
            return self._account(session, entry, now)

    def look_up(self, stable_ids: Sequence[str]) -> LookedUp:
        accounts: dict[str, Account] = {}
        unclear: dict[str, str] = {}
        left = deque(stable_ids)
        for _ in range(CONNECTIONS_MAX):
            with self.servers.session() as session:
                self._look_up(session, left, accounts, unclear)
            if not left:
                return LookedUp(accounts=accounts, unclear=unclear)
        raise DirectoryUnavailableError(found=f"{CONNECTIONS_MAX} connections broke")

    def _look_up(
        self,
        session: Session,
        left: deque[str],
        accounts: dict[str, Account],
        unclear: dict[str, str],
    ) -> None:
        """Take ids from `left` until none is left or the connection breaks. Where all together
        cannot be asked for, an error; where only one of them cannot, that one is unclear."""
        now = self._clock.now_us()
        asked = list(left)
        entries = self.accounts.by_ids(session, asked)
        disabled = self.accounts.disabled_among(session, entries.values())
        for stable_id in asked:
            if session.is_broken:
                return
            left.popleft()
            try:
                if stable_id in entries:
                    account = self.accounts.account(
                        session, entries[stable_id], disabled, read_time_us=now
                    )
                elif alone := self.accounts.by_id(session, stable_id):
                    account = self._account(session, alone, now)
                else:
                    continue
            except DirectoryUnavailableError as error:
                unclear[stable_id] = error.found
            else:
                accounts[stable_id] = account

    def probe(self, user: str = "") -> Sequence[Step]:
        return list(probe(self, user))

    def _account(self, session: Session, entry: Entry, read_time_us: int) -> Account:
        disabled = self.accounts.disabled_among(session, [entry])
        return self.accounts.account(session, entry, disabled, read_time_us=read_time_us)

    def _nobody(self) -> str:
        name = escape_rdn(secrets.token_hex(16))
        return f"{self.settings.login_attribute}={name},{self.settings.user_base}"


def is_user_name(text: str) -> bool:
    """Whether a directory is to be asked for such a name."""
    is_short = 0 < len(text) <= USER_LENGTH_MAX
    return is_short and text.isprintable() and text.strip() == text


def is_password(text: str) -> bool:
    """Whether a directory is to be asked: never for none, which RFC 4513 (5.1.2) lets anybody
    in by, nor for what only looks like none."""
    if not text.strip() or "\0" in text:
        return False
    try:
        return len(text.encode()) <= PASSWORD_BYTES_MAX
    except UnicodeEncodeError:
        return False


def _password_in(path: Path | None) -> str:
    """The file's only line."""
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n") if path is not None else ""
        found = "not exactly one line" if not is_password(text) or "\n" in text else ""
    except (OSError, ValueError) as error:
        text, found = "", f"no way to read it: {error}"
    if found:
        raise StartError(
            what=f"Password file {path}",
            found=found,
            fix="Put the password of HALLMARK_LDAP_BIND_DN into it, readable by the server alone.",
        )
    return text
