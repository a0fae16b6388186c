"""What the directory's entries say of people: who they are, whether they may work, their groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from ldap3.utils.conv import escape_filter_chars

from registry.auth.ldap_groups import groups_of
from registry.auth.ldap_session import Entry, Session
from registry.domain.directory import Account, LdapSettings
from registry.errors import DirectoryUnavailableError
from registry.names.text import visible
from registry.ports.clock import Clock

STABLE_ID_LENGTH_MAX = 256
_CONTROL = "userAccountControl"
_DISABLED_BIT = 2
_EXPIRES = "accountExpires"
#: Active Directory counts tenths of microseconds since 1601; both of these stand for no end.
_NEVER = frozenset({0, 2**63 - 1})
_1601_US = -11_644_473_600_000_000


class Accounts:
    """Reads them from sessions that others opened. Raises DirectoryUnavailableError where an entry
    says nothing from which to conclude."""

    def __init__(self, settings: LdapSettings, *, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock

    def by_name(self, session: Session, user: str) -> Entry | None:
        return self._only(session, self.name_query(user))

    def by_id(self, session: Session, stable_id: str) -> Entry | None:
        return self._only(session, self._query([stable_id]))

    def by_ids(self, session: Session, stable_ids: Sequence[str]) -> dict[str, Entry]:
        """Those that were found, each clearly one of these. Who is missing has to be asked for
        alone before that means anything."""
        query, most = self._query(stable_ids), 2 * len(stable_ids)
        entries = session.all(self.settings.user_base, query, self._wanted(), most=most)
        try:
            found = {self.stable_id(entry): entry for entry in entries}
        except DirectoryUnavailableError:
            # Whose entry that is, and who else it claims to be, shows where each is asked for.
            return {}
        return found if len(found) == len(entries) else {}

    def disabled_among(self, session: Session, entries: Collection[Entry]) -> frozenset[str]:
        """The DNs of those whom the configured filter finds; nobody without one."""
        if not self.settings.disabled_filter or not entries:
            return frozenset()
        query = self.disabled_query([self.stable_id(entry) for entry in entries])
        found = session.all(self.settings.user_base, query, ["1.1"], most=2 * len(entries))
        return frozenset(entry.dn for entry in found)

    def why_left(self, entry: Entry, disabled: Collection[str]) -> str:
        """Why its holder may not work any more; empty where nothing says so."""
        if entry.dn in disabled:
            return "disabled"
        return self._why_left_there(entry) if self.settings.active_directory else ""

    def account(
        self, session: Session, entry: Entry, disabled: Collection[str], *, read_time_us: int
    ) -> Account:
        """All that is to be known of an entry, which was read then or later."""
        user = self.user_of(entry)
        return Account(
            stable_id=self.stable_id(entry),
            user=user,
            display_name=_text(entry, "displayName") or _text(entry, "cn"),
            mail=_text(entry, "mail"),
            groups=groups_of(session, self.settings, entry.dn, user),
            disabled=bool(self.why_left(entry, disabled)),
            read_time_us=read_time_us,
        )

    def name_query(self, user: str) -> str:
        attribute = self.settings.login_attribute
        return f"(&{self.settings.user_filter}({attribute}={escape_filter_chars(user)}))"

    def disabled_query(self, stable_ids: Sequence[str]) -> str:
        return f"(&{self.settings.disabled_filter}{self._any_of(stable_ids)})"

    def user_of(self, entry: Entry) -> str:
        """The name to log in with, as the directory writes it."""
        return _text(entry, self.settings.login_attribute)

    def stable_id(self, entry: Entry) -> str:
        """Never one of several: the order of an attribute's values is nobody's promise."""
        attribute = self.settings.stable_attribute
        values = entry.values.get(attribute.lower(), ())
        if len(values) > 1:
            raise DirectoryUnavailableError(
                found=f"{attribute} of {visible(entry.dn)} has {len(values)} values, expected one"
            )
        value = entry.first(attribute)
        if _is_guid(attribute) and len(value) == 16:
            return str(UUID(bytes_le=value))
        text = value.decode("utf-8", "replace")
        if not text or not text.isprintable() or len(text) > STABLE_ID_LENGTH_MAX:
            raise self._unreadable(attribute, entry)
        return text

    def _query(self, stable_ids: Sequence[str]) -> str:
        return f"(&{self.settings.user_filter}{self._any_of(stable_ids)})"

    def _any_of(self, stable_ids: Sequence[str]) -> str:
        attribute = self.settings.stable_attribute
        each = [f"({attribute}={_escaped(attribute, stable_id)})" for stable_id in stable_ids]
        return each[0] if len(each) == 1 else f"(|{''.join(each)})"

    def _wanted(self) -> list[str]:
        return [
            self.settings.login_attribute,
            self.settings.stable_attribute,
            "displayName",
            "cn",
            "mail",
            *([_CONTROL, _EXPIRES] if self.settings.active_directory else []),
        ]

    def _only(self, session: Session, query: str) -> Entry | None:
        found = session.few(self.settings.user_base, query, self._wanted())
        if len(found) > 1:
            raise DirectoryUnavailableError(
                found=f"{query} below {self.settings.user_base} finds several accounts"
            )
        return found[0] if found else None

    def _why_left_there(self, entry: Entry) -> str:
        """By Active Directory's attributes. Not by lockoutTime: whoever guesses passwords could
        else end the tokens of whomever they choose; nor by pwdLastSet, as the age of a password
        says nothing of a token."""
        if self._number(entry, _CONTROL) & _DISABLED_BIT:
            return "disabled"
        # It may be absent. Who may read the flags may read it: they are of one property set.
        ends = self._number(entry, _EXPIRES) if entry.first(_EXPIRES) else 0
        if ends not in _NEVER and ends // 10 + _1601_US <= self._clock.now_us():
            return "expired"
        return ""

    def _number(self, entry: Entry, attribute: str) -> int:
        value = entry.first(attribute)
        if not value.isdigit():
            raise self._unreadable(attribute, entry)
        return int(value)

    def _unreadable(self, attribute: str, entry: Entry) -> DirectoryUnavailableError:
        dn, who = visible(entry.dn), self.settings.bind_dn
        return DirectoryUnavailableError(found=f"{attribute} of {dn} cannot be read by {who}")


def _is_guid(attribute: str) -> bool:
    return attribute.lower() == "objectguid"


def _escaped(attribute: str, stable_id: str) -> str:
    try:
        raw = UUID(stable_id).bytes_le if _is_guid(attribute) else None
    except ValueError:
        # Of times when another attribute was configured: nobody's here.
        raw = None
    if raw is None:
        return escape_filter_chars(stable_id)
    return "".join(f"\\{byte:02x}" for byte in raw)


def _text(entry: Entry, attribute: str) -> str:
    """The first value, as one line that can be shown."""
    return visible(entry.first(attribute).decode("utf-8", "replace"))[:200]
