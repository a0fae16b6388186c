"""People in an LDAP directory: OpenLDAP and the like, or Active Directory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from registry.auth.ldap_groups import groups_of
from registry.auth.ldap_probe import probe
from registry.auth.ldap_session import Entry, Servers, Session
from registry.domain.directory import (
    PASSWORD_BYTES_MAX,
    USER_LENGTH_MAX,
    Account,
    LdapSettings,
    Step,
)
from registry.errors import DirectoryUnavailableError, StartError
from registry.names.text import visible
from registry.ports.clock import Clock

STABLE_ID_LENGTH_MAX = 256
_CONTROL = "userAccountControl"
_DISABLED_BIT = 2


class LdapDirectory:
    """Implements `ports.directory.Directory`."""

    def __init__(self, settings: LdapSettings, *, clock: Clock) -> None:
        """Raises StartError where a file cannot be used. Asks no server."""
        self.settings = settings
        self._clock = clock
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
            entry = self._only(session, self.user_query(user))
            if entry is None:
                # A bind that fails, so that time does not tell who there is.
                self.servers.takes(session.url, self._nobody(), password)
                return None
            admit(self.stable_id(entry))
            if not self.servers.takes(session.url, entry.dn, password):
                return None
            return self.account(session, entry)

    def look_up(self, stable_id: str) -> Account | None:
        query = self._id_query(stable_id)
        with self.servers.session() as session:
            entry = self._only(session, query)
            return None if entry is None else self.account(session, entry)

    def probe(self, user: str = "") -> Sequence[Step]:
        return list(probe(self, user))

    def user_query(self, user: str) -> str:
        return self._query(self.settings.login_attribute, escape_filter_chars(user))

    def find(self, session: Session, user: str) -> Entry | None:
        return self._only(session, self.user_query(user))

    def account(self, session: Session, entry: Entry) -> Account:
        """All that is to be known of an entry. When it was read is when that began."""
        read_time_us = self._clock.now_us()
        user = self.user_of(entry)
        return Account(
            stable_id=self.stable_id(entry),
            user=user,
            display_name=_text(entry, "displayName") or _text(entry, "cn"),
            mail=_text(entry, "mail"),
            groups=groups_of(session, self.settings, entry.dn, user),
            disabled=self.is_disabled(session, entry),
            read_time_us=read_time_us,
        )

    def is_disabled(self, session: Session, entry: Entry) -> bool:
        if self.settings.disabled_filter:
            return bool(session.few(entry.dn, self.settings.disabled_filter, ["1.1"], own=True))
        if not self.settings.active_directory:
            return False
        control = entry.first(_CONTROL)
        if not control.isdigit():
            raise DirectoryUnavailableError(
                found=f"{_CONTROL} of {entry.dn} cannot be read by {self.settings.bind_dn}"
            )
        return bool(int(control) & _DISABLED_BIT)

    def _query(self, attribute: str, escaped: str) -> str:
        return f"(&{self.settings.user_filter}({attribute}={escaped}))"

    def _id_query(self, stable_id: str) -> str:
        attribute = self.settings.stable_attribute
        if attribute.lower() != "objectguid":
            return self._query(attribute, escape_filter_chars(stable_id))
        return self._query(attribute, "".join(f"\\{b:02x}" for b in UUID(stable_id).bytes_le))

    def _only(self, session: Session, query: str) -> Entry | None:
        wanted = [
            self.settings.login_attribute,
            self.settings.stable_attribute,
            "displayName",
            "cn",
            "mail",
            *([_CONTROL] if self.settings.active_directory else []),
        ]
        found = session.few(self.settings.user_base, query, wanted)
        if len(found) > 1:
            raise DirectoryUnavailableError(
                found=f"{query} below {self.settings.user_base} finds several accounts"
            )
        return found[0] if found else None

    def user_of(self, entry: Entry) -> str:
        """The name to log in with, as the directory writes it."""
        return _text(entry, self.settings.login_attribute)

    def stable_id(self, entry: Entry) -> str:
        attribute = self.settings.stable_attribute
        value = entry.first(attribute)
        if attribute.lower() == "objectguid" and len(value) == 16:
            return str(UUID(bytes_le=value))
        text = value.decode("utf-8", "replace")
        if not text or not text.isprintable() or len(text) > STABLE_ID_LENGTH_MAX:
            raise DirectoryUnavailableError(
                found=f"{attribute} of {entry.dn} cannot be read by {self.settings.bind_dn}"
            )
        return text

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


def _text(entry: Entry, attribute: str) -> str:
    """The first value, as one line that can be shown."""
    return visible(entry.first(attribute).decode("utf-8", "replace"))[:200]


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
