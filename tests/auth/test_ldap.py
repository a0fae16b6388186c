"""What LDAP directories hold, on a real slapd; hostile servers: test_ldap_servers.py."""

from __future__ import annotations

import logging
import socket
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from registry.auth.ldap import LdapDirectory
from registry.auth.ldap_accounts import Accounts
from registry.auth.ldap_session import Entry, Session
from registry.auth.remembered import RememberingDirectory
from registry.domain.directory import Account
from registry.errors import DirectoryUnavailableError, StartError
from registry.testing.certificates import Issued
from registry.testing.clock import FixedClock
from registry.testing.directory import anybody, login
from registry.testing.slapd import (
    GROUPS,
    PEOPLE,
    SEARCHER_PASSWORD,
    SIZE_LIMIT,
    SUFFIX,
    SlapdServer,
    dn_of,
    group,
    group_dn,
    person,
)

pytestmark = pytest.mark.slow

Connect = Callable[..., LdapDirectory]
Start = Callable[..., SlapdServer]


# --- Sizes ----------------------------------------------------------------------------------------


def test_more_groups_than_the_server_returns_at_once(start: Start, connected: Connect) -> None:
    """All groups are found, page by page, where one answer would be cut off."""
    count = SIZE_LIMIT + 100
    groups = [group(f"g{number:04}", [dn_of("alice")]) for number in range(count)]
    server = start(ldif="\n".join([person("alice"), *groups]))
    account = connected(server.tls_url).authenticate("alice", "pw-alice", admit=anybody)
    assert account is not None
    assert account.groups == tuple(f"g{number:04}" for number in range(count))


def test_too_many_groups_are_an_error(start: Start, connected: Connect) -> None:
    """More groups than are read is told, since one that is left out might be one that denies."""
    groups = [group(f"g{number:04}", [dn_of("alice")]) for number in range(1001)]
    server = start(ldif="\n".join([person("alice"), *groups]))
    with pytest.raises(DirectoryUnavailableError, match="more than 1000"):
        login(connected(server.tls_url))


def test_groups_nested_too_deep_are_an_error(start: Start, connected: Connect) -> None:
    """A chain of groups without an end in sight is told, not cut."""
    chain = [group("g0", [dn_of("alice")])]
    chain += [group(f"g{n}", [group_dn(f"g{n - 1}")]) for n in range(1, 12)]
    server = start(ldif="\n".join([person("alice"), *chain]))
    with pytest.raises(DirectoryUnavailableError, match="nested more than 10 deep"):
        login(connected(server.tls_url))


def test_one_among_many(crowd: SlapdServer, connected: Connect) -> None:
    """Among 1,200 people each is found by name and by id, and a filter that fits all finds none."""
    directory = connected(crowd.tls_url)
    account = directory.authenticate("u0777", "pw-u0777", admit=anybody)
    assert account is not None
    assert account.groups == ("everyone",)
    assert directory.look_up([account.stable_id]).accounts == {account.stable_id: account}
    assert login(directory, "u*", "pw-u0777") is None


def test_a_name_of_several_is_nobodys(start: Start, connected: Connect) -> None:
    """Where a name finds two accounts, neither is taken; nor are the first two of more."""
    twins = [person("alice"), person("bob"), person("carol")]
    server = start(ldif="\n".join(twins).replace("sn: bob", "sn: alice"))
    with pytest.raises(DirectoryUnavailableError, match="several accounts"):
        login(connected(server.tls_url, user_attribute="sn"))
    with pytest.raises(DirectoryUnavailableError, match="several accounts"):
        login(connected(server.tls_url, user_attribute="objectClass"), "user")


@pytest.mark.parametrize(
    "name",
    [
        "Smith\\, J (x*)",
        "\\#1 \\+ 2 \\= 3",
        "a\\\\b",
        "x\\;y/z",
        "trail\\ ",
        "nul-\\00-x",
        "\u202e\u00c5",
    ],
    ids=ascii,
)
def test_entries_whatever_they_are_called(start: Start, connected: Connect, name: str) -> None:
    """Characters that mean something in names or filters keep nobody's groups from being found."""
    dn = f"cn={name},{PEOPLE}"
    entry = person("alice").partition("\n")[2]
    encoded = b64encode(dn.encode()).decode()
    server = start(ldif=f"dn:: {encoded}\n{entry}")
    directory = connected(server.tls_url)
    server.add_ldif(group("inner", [dn]))
    server.add_ldif(group("outer", [group_dn("inner")]))
    alice = login(directory)
    assert isinstance(alice, Account)
    assert alice.groups == ("inner", "outer")
    assert directory.look_up([alice.stable_id]).accounts == {alice.stable_id: alice}


def test_names_of_entries_are_shown_safely(start: Start, connected: Connect) -> None:
    """Line ends and controls in an entry's name neither forge lines of a log nor move a cursor."""
    encoded = b64encode(f"cn=x\\0A\\1B[2J,{PEOPLE}".encode()).decode()
    server = start(ldif=f"dn:: {encoded}\n{person('alice').partition(chr(10))[2]}")
    directory = connected(server.tls_url)
    assert login(directory)
    shown = [text for step in directory.probe("alice") for text in (step.query, step.found)]
    with pytest.raises(DirectoryUnavailableError, match=r"x<U\+000A><U\+001B>\[2J") as refused:
        login(connected(server.tls_url, id_attribute="employeeNumber"))
    assert any("x<U+000A><U+001B>[2J" in text for text in shown)
    assert all(text.isprintable() for text in (*shown, str(refused.value)))


@pytest.mark.parametrize("typed", ["jo\u0308rg", "J\u00d6RG", "\uff4a\u00f6rg"], ids=ascii)
def test_spellings_that_are_one_to_the_directory(
    start: Start, connected: Connect, typed: str
) -> None:
    """Composed or not, wide or not: it is the same account, by the directory's spelling."""
    server = start()
    server.add_ldif(person("j\u00f6rg"))
    directory = connected(server.tls_url)
    account = directory.authenticate(typed, "pw-j\u00f6rg", admit=anybody)
    assert account is not None
    assert account.user == "j\u00f6rg"


@pytest.mark.parametrize(
    "typed",
    [
        "alice\ufe00",
        "al\u0131ce",
        "\u0430lice",
        "alice\u3164",
        "alice\u034f",
        "a\u200dlice",
        "alice\u00a0",
    ],
    ids=ascii,
)
def test_what_only_looks_like_a_name_is_nobodys(
    crowd: SlapdServer, connected: Connect, typed: str
) -> None:
    """Letters of other scripts, and what cannot be seen, make another name."""
    assert connected(crowd.tls_url).authenticate(typed, "pw-alice", admit=anybody) is None


def test_groups_that_hold_each_other(crowd: SlapdServer, connected: Connect) -> None:
    """Rings of groups, and one that holds itself, are held once each."""
    account = connected(crowd.tls_url).authenticate("carol", "pw-carol", admit=anybody)
    assert account is not None
    assert account.groups == ("everyone", "ml-all", "ml-fraud", "ring-a", "ring-b", "self")


# --- Kinds of directories -------------------------------------------------------------------------

GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")


def test_active_directorys_attributes(start: Start, connected: Connect) -> None:
    """By its flag people are found by sAMAccountName, known by objectGUID, disabled by bit 2."""
    raw = "objectGUID:: Z0UjAauJ780BI0VniavN7w=="
    people = [
        person("alice", userAccountControl="512") + raw + "\n",
        person("bob", userAccountControl="514") + raw.replace("Z0Uj", "Z0Uk") + "\n",
    ]
    server = start(ldif="\n".join(people))
    directory = connected(server.tls_url, active_directory=True, disabled_filter="")
    alice = directory.authenticate("alice", "pw-alice", admit=anybody)
    bob = directory.authenticate("bob", "pw-bob", admit=anybody)
    assert alice is not None
    assert bob is not None
    assert (alice.stable_id, alice.disabled, bob.disabled) == (str(GUID), False, True)
    assert directory.look_up([str(GUID)]).accounts == {str(GUID): alice}
    query = directory.probe("alice")[-1].query
    assert f"(member:1.2.840.113556.1.4.1941:={dn_of('alice')})" in query


def test_an_account_ends_at_its_moment(start: Start, connected: Connect, clock: FixedClock) -> None:
    """Active Directory's accountExpires counts to a tenth of a microsecond, from 1601 on; 0, the
    largest number and none at all stand for no end."""
    ticks = (clock.now_us() + 11_644_473_600_000_000) * 10
    lasting, ended = ["0", str(2**63 - 1), "", str(ticks + 10)], [str(ticks), "1"]
    for ends in (*lasting, *ended):
        more = {"userAccountControl": "512", **({"accountExpires": ends} if ends else {})}
        entry = person("alice", **more)
        directory = connected(
            start(ldif=entry).tls_url, active_directory=True, id_attribute="entryUUID"
        )
        alice = login(directory)
        assert isinstance(alice, Account)
        assert alice.disabled is (ends in ended)
        assert directory.look_up([alice.stable_id]).accounts[alice.stable_id] == alice


def test_what_overlays_of_openldap_say_can_be_asked_for(start: Start, connected: Connect) -> None:
    """An account that an administrator locked for good is disabled by a filter that says so; one
    that was locked for wrong passwords is not."""
    overlay = f"overlay ppolicy\nppolicy_default cn=policy,{SUFFIX}"
    server = start(overlays=overlay, ldif=person("alice"))
    directory = connected(server.tls_url, disabled_filter="(pwdAccountLockedTime=000001010000Z)")
    alice = login(directory)
    assert isinstance(alice, Account)
    for locked, disabled in (("20261127000000Z", False), ("000001010000Z", True)):
        server.set(dn_of("alice"), "pwdAccountLockedTime", locked)
        found = directory.look_up([alice.stable_id]).accounts[alice.stable_id]
        assert found.disabled is disabled


def test_who_is_one_of_several_is_nobody(start: Start, connected: Connect) -> None:
    """An account whose stable id has two values is known by neither, and keeps nobody else from
    being found, nor from being found gone."""
    people = [person(name, employeeNumber=f"n-{name}") for name in ("alice", "bob", "carol")]
    server = start(ldif="\n".join(people))
    directory = connected(server.tls_url, id_attribute="employeeNumber")
    for user in ("alice", "bob", "carol"):
        assert login(directory, user)
    # As somebody could who may write their own entry. The attribute is single-valued in schemas.
    two = connected(server.tls_url, id_attribute="mail")
    server.set(dn_of("alice"), "mail", "alice@example.test", "bob@example.test")
    server.add_ldif(person("dave"))
    server.delete(dn_of("carol"))
    with pytest.raises(DirectoryUnavailableError, match="has 2 values"):
        login(two)
    mails = [f"{user}@example.test" for user in ("alice", "bob", "carol", "dave")]
    found = two.look_up(mails)
    assert set(found.accounts) == {mails[3]}
    assert "2 values" in found.unclear[mails[0]]
    assert "several accounts" in found.unclear[mails[1]]
    assert set(found.unclear) == set(mails[:2])


def test_a_connection_that_breaks_at_one_of_many(
    crowd: SlapdServer, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes the directory hang up is unclear; the others are found over another
    connection. Where it always hangs up, all are left as they are."""
    directory = connected(crowd.tls_url)
    users = [f"u{number:04}" for number in range(20)]
    with directory.servers.session() as session:
        entries = [directory.accounts.by_name(session, user) for user in users]
    ids = [directory.accounts.stable_id(entry) for entry in entries if entry]
    account = Accounts.account
    breaking = {ids[3], ids[7]}

    def break_at(self: Accounts, session: Session, entry: Entry, *rest: Any, **more: Any) -> Any:
        if self.stable_id(entry) in breaking:
            session._connection.socket.shutdown(socket.SHUT_RDWR)
        return account(self, session, entry, *rest, **more)

    monkeypatch.setattr(Accounts, "account", break_at)
    found = directory.look_up(ids)
    assert set(found.unclear) == breaking
    assert set(found.accounts) == set(ids) - breaking
    breaking.add(ids[11])
    with pytest.raises(DirectoryUnavailableError, match="3 connections broke"):
        directory.look_up(ids)


def test_an_attribute_that_cannot_be_read_is_not_taken_for_well(
    crowd: SlapdServer, connected: Connect
) -> None:
    """Whether somebody is disabled, and who they are, has to be seen, not assumed."""
    blind = connected(crowd.tls_url, active_directory=True, id_attribute="uid", disabled_filter="")
    with pytest.raises(DirectoryUnavailableError, match="userAccountControl"):
        login(blind)
    with pytest.raises(DirectoryUnavailableError, match="employeeNumber"):
        login(connected(crowd.tls_url, id_attribute="employeeNumber"))


def test_groups_that_hold_names(start: Start, connected: Connect) -> None:
    """Groups of the POSIX kind hold names instead of DNs."""
    posix = f"dn: cn=unix,{GROUPS}\nobjectClass: posixGroup\ncn: unix\nmemberUid: alice\n"
    server = start(ldif="\n".join([person("alice"), person("bob"), posix]))
    directory = connected(server.tls_url, member_attribute="memberUid")
    for user, groups in (("alice", ("unix",)), ("bob", ())):
        account = directory.authenticate(user, f"pw-{user}", admit=anybody)
        assert account is not None
        assert account.groups == groups


# --- Lockout, memory, secrets ---------------------------------------------------------------------


def test_what_locks_out_there_is_a_refusal_here(start: Start, connected: Connect) -> None:
    """An account that the directory has locked is refused like a wrong password."""
    policy = (
        f"dn: cn=policy,{SUFFIX}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n"
        "pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\n"
    )
    overlay = f"overlay ppolicy\nppolicy_default cn=policy,{SUFFIX}"
    server = start(overlays=overlay, ldif="\n".join([person("alice"), policy]))
    directory = connected(server.tls_url)
    for _ in range(4):
        assert login(directory, "alice", "wrong") is None
    assert login(directory)
    for _ in range(5):
        assert login(directory, "alice", "wrong") is None
    assert login(directory) is None


def test_a_right_password_is_remembered_for_a_minute(
    start: Start, connected: Connect, clock: FixedClock
) -> None:
    """For a short while it is right without asking; a wrong one is always asked about."""
    server = start(ldif=person("alice"))
    directory = RememberingDirectory(connected(server.tls_url), clock=clock, ttl_s=60)
    assert directory.authenticate("alice", "pw-alice", admit=anybody)
    server.stop()
    clock.advance(60_000_000 - 1)
    assert directory.authenticate("alice", "pw-alice", admit=anybody)
    for user, password in (("alice", "wrong"), ("alic", "epw-alice"), ("alicep", "w-alice")):
        with pytest.raises(DirectoryUnavailableError):
            directory.authenticate(user, password, admit=anybody)
    clock.advance(1)
    with pytest.raises(DirectoryUnavailableError):
        directory.authenticate("alice", "pw-alice", admit=anybody)


def test_who_is_found_disabled_is_remembered_no_longer(
    start: Start, connected: Connect, clock: FixedClock
) -> None:
    """A look that finds an account disabled ends what was remembered of its password."""
    server = start(ldif=person("alice"))
    directory = RememberingDirectory(connected(server.tls_url), clock=clock, ttl_s=60)
    alice = directory.authenticate("alice", "pw-alice", admit=anybody)
    assert alice is not None
    server.set(dn_of("alice"), "employeeType", "disabled")
    directory.look_up([alice.stable_id])
    again = directory.authenticate("alice", "pw-alice", admit=anybody)
    assert again is not None
    assert again.disabled


def test_no_secret_is_shown(
    crowd: SlapdServer, connected: Connect, caplog: pytest.LogCaptureFixture, clock: FixedClock
) -> None:
    """No password stands in a log, an error or a repr, whether it was right or wrong."""
    caplog.set_level(logging.DEBUG)
    directory = connected(crowd.tls_url)
    remembering = RememberingDirectory(directory, clock=clock, ttl_s=60)
    account = remembering.authenticate("alice", "pw-alice", admit=anybody)
    remembering.authenticate("alice", "canary-wrong", admit=anybody)
    broken = connected("ldaps://127.0.0.1:1")
    with pytest.raises(DirectoryUnavailableError) as refused:
        broken.authenticate("alice", "canary-wrong", admit=anybody)
    shown = [caplog.text, str(refused.value), repr(refused.value), repr(account)]
    shown += [repr(each) for each in (directory, directory.settings, directory.servers)]
    shown += [repr(remembering), repr(vars(remembering)), repr(directory.probe("alice"))]
    for secret in ("pw-alice", "canary-wrong", SEARCHER_PASSWORD):
        assert not any(secret in text for text in shown)


@pytest.mark.parametrize("content", ["", "\n", " ", "two\nlines\n", "nul\0"], ids=ascii)
def test_a_password_file_without_a_password_stops_the_start(
    connected: Connect, tmp_path: Path, content: str
) -> None:
    """A file that holds anything but one password is told at the start, without showing it."""
    file = tmp_path / "bad"
    file.write_text(content)
    with pytest.raises(StartError, match="not exactly one line"):
        connected("ldaps://localhost", bind_password_file=file)


def test_an_authority_that_is_none_stops_the_start(
    connected: Connect, tmp_path: Path, certificate: Issued
) -> None:
    """A file that is missing, or holds no certificate, is told at the start."""
    for file in (tmp_path / "none", certificate.key):
        with pytest.raises(StartError, match="HALLMARK_LDAP_CA_FILE"):
            connected("ldaps://localhost", ca_file=file)
