"""What `hallmark auth test` shows: each step of a login, with the query that its settings make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from registry.auth.ldap_accounts import Accounts
from registry.auth.ldap_groups import first_query, groups_of
from registry.auth.ldap_session import Entry, Session
from registry.domain.directory import LdapSettings, Step
from registry.errors import DirectoryUnavailableError
from registry.names.text import visible

if TYPE_CHECKING:
    from registry.auth.ldap import LdapDirectory

_REACH = "Check HALLMARK_LDAP_URLS, HALLMARK_LDAP_CA_FILE and HALLMARK_LDAP_START_TLS."
_BIND = "Check HALLMARK_LDAP_BIND_DN and HALLMARK_LDAP_BIND_PASSWORD_FILE."
_BASES = "Check HALLMARK_LDAP_USER_BASE, HALLMARK_LDAP_GROUP_BASE and what the account may read."
_USER = "Check the name, HALLMARK_LDAP_USER_FILTER and HALLMARK_LDAP_USER_ATTRIBUTE."


def probe(directory: LdapDirectory, user: str) -> Iterator[Step]:
    """Each step; those that need one which failed are left out."""
    settings = directory.settings
    sessions: list[Session] = []
    try:
        for url in settings.urls:
            yield from _reach(directory, url, sessions)
        if sessions:
            yield from _search(directory, sessions[0], user)
    finally:
        for session in sessions:
            session.close()


def _reach(directory: LdapDirectory, url: str, sessions: list[Session]) -> Iterator[Step]:
    settings = directory.settings

    def connect() -> str:
        Session(url, directory.servers.connect(url, settings.bind_dn, "-")).close()
        return "reached" if url in settings.plain_urls else "reached, certificate accepted"

    def bind() -> str:
        sessions.append(directory.servers.open(url))
        return "bound"

    step = _step("connect", f"{url}, {_protection(settings, url)}", connect, _REACH)
    yield step
    if step.ok:
        yield _step("bind", f"simple bind as {settings.bind_dn}", bind, _BIND)


def _protection(settings: LdapSettings, url: str) -> str:
    if url in settings.plain_urls:
        return "not encrypted"
    kind = "TLS" if url.startswith("ldaps:") else "StartTLS"
    return f"{kind}, certificate signed by {settings.ca_file or 'an authority of the system'}"


def _search(directory: LdapDirectory, session: Session, user: str) -> Iterator[Step]:
    settings = directory.settings

    def base(of: str) -> Callable[[], str]:
        def look() -> str:
            # One that may not be read is found empty by some servers.
            if not session.few(of, "(objectClass=*)", ["1.1"], own=True):
                raise DirectoryUnavailableError(found="it cannot be read")
            return "there"

        return look

    bases = [settings.user_base, *([settings.group_base] if settings.group_base else [])]
    for each in bases:
        yield _step("base", f"base {each!r} scope base (objectClass=*)", base(each), _BASES)
    if user:
        yield from _person(directory, session, user)


def _person(directory: LdapDirectory, session: Session, user: str) -> Iterator[Step]:
    settings, accounts = directory.settings, directory.accounts
    found: list[Entry] = []

    def find() -> str:
        entry = accounts.by_name(session, user)
        if entry is None:
            raise DirectoryUnavailableError(found="nobody")
        found.append(entry)
        return entry.dn

    def id() -> str:
        return accounts.stable_id(found[0])

    def standing() -> str:
        disabled = accounts.disabled_among(session, found)
        return accounts.why_left(found[0], disabled) or "active"

    def groups() -> str:
        held = groups_of(session, settings, found[0].dn, accounts.user_of(found[0]))
        return ", ".join(held) or "none"

    query = f"base {settings.user_base!r} scope sub {accounts.name_query(user)}"
    yield _step("user", query, find, _USER)
    if not found:
        return
    dn = found[0].dn
    attribute = settings.stable_attribute
    yield _step("id", f"attribute {attribute} of {dn}", id, "Check HALLMARK_LDAP_ID_ATTRIBUTE.")
    fix = "Check HALLMARK_LDAP_DISABLED_FILTER."
    yield _step("standing", _standing_query(accounts, found[0]), standing, fix)
    query = "no HALLMARK_LDAP_GROUP_BASE: no groups"
    if settings.group_base:
        first = first_query(settings, dn, accounts.user_of(found[0]))
        query = f"base {settings.group_base!r} scope sub {first}, then those above"
    yield _step("groups", query, groups, "Check HALLMARK_LDAP_GROUP_FILTER and _MEMBER_ATTRIBUTE.")


def _standing_query(accounts: Accounts, entry: Entry) -> str:
    settings = accounts.settings
    asked = []
    if settings.disabled_filter:
        asked.append(f"base {settings.user_base!r} scope sub {settings.disabled_filter} of this id")
    if settings.active_directory:
        asked.append(f"userAccountControl bit 2 and accountExpires of {entry.dn}")
    return ", ".join(asked) or "no filter set: nobody is disabled"


def _step(name: str, query: str, run: Callable[[], str], fix: str) -> Step:
    # Names of entries are others' text, and may hold what would move a terminal's cursor.
    query = visible(query)
    try:
        return Step(name=name, query=query, ok=True, found=visible(run()))
    except DirectoryUnavailableError as error:
        return Step(name=name, query=query, ok=False, found=visible(error.found), fix=fix)
