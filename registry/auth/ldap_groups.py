"""Which groups somebody holds, those that hold these included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from ldap3.utils.conv import escape_filter_chars

from registry.auth.ldap_session import Entry, Session
from registry.domain.directory import LdapSettings
from registry.errors import DirectoryUnavailableError

#: Groups above groups. More is a mistake in the directory, and to leave out what lies above might
#: leave out a group that denies.
DEPTH_MAX = 10
GROUPS_MAX = 1000
NAME_LENGTH_MAX = 256
IN_CHAIN = "1.2.840.113556.1.4.1941"
_AT_ONCE = 50
_NAME = "cn"


def first_query(settings: LdapSettings, dn: str, user: str) -> str:
    """The filter that finds the groups of somebody: all of them, or those held directly."""
    attribute = settings.member_attribute
    if settings.active_directory:
        attribute = f"{attribute}:{IN_CHAIN}:"
    value = user if _holds_names(settings) else dn
    return f"(&{settings.groups_filter}({attribute}={escape_filter_chars(value)}))"


def groups_of(session: Session, settings: LdapSettings, dn: str, user: str) -> tuple[str, ...]:
    """Names of all groups, sorted. Loops end, since no group is asked for twice."""
    if not settings.group_base:
        return ()
    found = {entry.dn: entry for entry in _search(session, settings, [dn], user)}
    if not settings.active_directory and not _holds_names(settings):
        _add_those_above(session, settings, found)
    return tuple(sorted({name for entry in found.values() for name in _names(entry)}))


def _add_those_above(session: Session, settings: LdapSettings, found: dict[str, Entry]) -> None:
    level = list(found)
    for _ in range(DEPTH_MAX):
        above = [entry for entry in _search(session, settings, level) if entry.dn not in found]
        found.update((entry.dn, entry) for entry in above)
        if len(found) > GROUPS_MAX:
            raise DirectoryUnavailableError(
                found=f"somebody is in more than {GROUPS_MAX} groups below {settings.group_base}"
            )
        level = [entry.dn for entry in above]
        if not level:
            return
    raise DirectoryUnavailableError(
        found=f"groups below {settings.group_base} are nested more than {DEPTH_MAX} deep"
    )


def _search(
    session: Session, settings: LdapSettings, dns: Sequence[str], user: str = ""
) -> list[Entry]:
    """The groups of which one of these is a member, each once."""
    found: dict[str, Entry] = {}
    for some in _batches(dns):
        if user:
            query = first_query(settings, some[0], user)
        else:
            member = settings.member_attribute
            any_of = "".join(f"({member}={escape_filter_chars(dn)})" for dn in some)
            query = f"(&{settings.groups_filter}(|{any_of}))"
        for entry in session.all(settings.group_base, query, [_NAME], most=GROUPS_MAX):
            found[entry.dn] = entry
    return list(found.values())


def _batches(dns: Sequence[str]) -> Iterator[list[str]]:
    left = iter(dns)
    while batch := list(islice(left, _AT_ONCE)):
        yield batch


def _names(entry: Entry) -> Iterator[str]:
    """Those that a file could name: text that can be read."""
    for value in entry.values.get(_NAME, ()):
        name = value.decode("utf-8", "replace")
        if name.isprintable() and 0 < len(name) <= NAME_LENGTH_MAX:
            yield name


def _holds_names(settings: LdapSettings) -> bool:
    return settings.member_attribute.lower() == "memberuid"
