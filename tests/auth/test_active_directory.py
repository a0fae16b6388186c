"""LDAP on an Active Directory that is Samba's."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.auth.ldap import LdapDirectory
from registry.auth.ldap_session import PAGE_SIZE
from registry.domain.directory import LOOK_UP_MAX, Account, LdapSettings
from registry.errors import DirectoryUnavailableError, LoginNameTakenError, UnauthenticatedError
from registry.ports.directory import Directory
from registry.services.identity import Origin
from registry.testing.certificates import Authority
from registry.testing.clock import FixedClock
from registry.testing.command import CommandLine
from registry.testing.contracts.directory import Company, DirectoryContract
from registry.testing.directory import login
from registry.testing.samba import (
    DISABLED,
    LOCKOUT,
    SEARCHER,
    SEARCHER_PASSWORD,
    SambaServer,
    secret,
)
from registry.testing.world import World

pytestmark = pytest.mark.soak

Connect = Callable[..., LdapDirectory]
_numbers = itertools.count()
_DESK = Origin(address="10.0.0.1", is_confidential=True)
#: In Active Directory's tenths of microseconds: of 1601 and of 2100.
_LONG_AGO, _FAR_AWAY = 1, 157_469_184_000_000_000


@pytest.fixture(scope="module")
def domain(authority: Authority) -> Iterator[SambaServer]:
    with SambaServer(authority=authority) as server:
        yield server


@pytest.fixture
def unit(domain: SambaServer) -> Iterator[str]:
    """A part of the domain that is the test's own."""
    made = domain.add_unit(f"unit-{next(_numbers)}")
    yield made
    domain.delete(made)


@pytest.fixture
def connect(
    domain: SambaServer, unit: str, authority: Authority, clock: FixedClock, tmp_path: Path
) -> Connect:
    """The domain as a directory, with some settings changed."""
    password = tmp_path / "password"
    password.write_text(SEARCHER_PASSWORD)

    def connect(**changes: Any) -> LdapDirectory:
        settings: dict[str, Any] = {
            "urls": (domain.tls_url,),
            "ca_file": authority.certificate,
            "bind_dn": SEARCHER,
            "bind_password_file": password,
            "user_base": unit,
            "group_base": unit,
            "active_directory": True,
            "timeout_s": 10,
        }
        return LdapDirectory(LdapSettings(**{**settings, **changes}), clock=clock)

    return connect


def seen(directory: Directory, account: Account | None) -> Account | None:
    """The account as it is now; None where it is gone."""
    assert account is not None
    found = directory.look_up([account.stable_id])
    assert found.unclear == {}
    return found.accounts.get(account.stable_id)


class SambaCompany:
    def __init__(self, domain: SambaServer, unit: str, directory: Directory) -> None:
        self._domain = domain
        self._unit = unit
        self.directory = directory
        self._formed: set[str] = set()
        for user in ("alice", "bob"):
            self.hire(user)

    def hire(self, user: str) -> None:
        self._domain.add_person(user, unit=self._unit)

    def dismiss(self, user: str) -> None:
        self._domain.delete(self._dn(user))

    def disable(self, user: str) -> None:
        self._domain.set(self._dn(user), "userAccountControl", DISABLED)

    def rename(self, user: str, to: str) -> None:
        self._domain.set(self._dn(user), "sAMAccountName", to)
        self._domain.rename(self._dn(user), f"CN={to}")

    def form(self, group: str, *, people: list[str], groups: list[str]) -> None:
        members = list(map(self._dn, [*people, *groups]))
        if group in self._formed:
            self._domain.set(self._dn(group), "member", *members)
        else:
            self._domain.add_group(group, members, unit=self._unit)
        self._formed.add(group)

    def take_down(self) -> None:
        self._domain.stop()

    def _dn(self, name: str) -> str:
        return f"CN={name},{self._unit}"


class TestStartTls(DirectoryContract):
    """The other tests here go by LDAPS."""

    @pytest.fixture
    def company(self, domain: SambaServer, unit: str, connect: Connect) -> Iterator[Company]:
        yield SambaCompany(domain, unit, connect(urls=(domain.url,)))
        if not domain.is_running:
            domain.restart()


# --- Encryption -----------------------------------------------------------------------------------


def test_it_takes_no_password_in_the_clear(domain: SambaServer, connect: Connect) -> None:
    """Active Directory wants encryption too, and what it says then is told."""
    plain = connect(urls=(domain.url,), start_tls=False)
    with pytest.raises(DirectoryUnavailableError, match="strongerAuthRequired"):
        login(plain)


@pytest.mark.parametrize("kind", ["url", "tls_url"])
def test_a_foreign_authority_is_refused(
    domain: SambaServer, connect: Connect, tmp_path: Path, kind: str
) -> None:
    """A certificate that another authority signed lets nobody be asked."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").certificate
    with pytest.raises(DirectoryUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        login(connect(urls=(getattr(domain, kind),), ca_file=other))


# --- Names ----------------------------------------------------------------------------------------


def test_people_may_log_in_by_their_principal_name(
    domain: SambaServer, unit: str, connect: Connect
) -> None:
    """By userPrincipalName it is the same account under another name."""
    domain.add_person("alice", unit=unit)
    by_account = login(connect())
    by_principal = login(connect(user_attribute="userPrincipalName"), "Alice@CORP.test", "pw-alice")
    assert by_account is not None
    assert by_principal == dataclasses.replace(by_account, user="alice@corp.test")


@pytest.mark.parametrize(
    "name",
    ["Smith\\, Jo*hn (x)", "\\#1 \\+ 1 \\= 2", "a\\\\b", '\u00c5se \\"\u00d8\\"', "x\\;y/z"],
    ids=ascii,
)
def test_names_with_characters_that_mean_something(
    domain: SambaServer, unit: str, connect: Connect, name: str
) -> None:
    """Whatever entries are called, their password is tried and their groups are found."""
    dn = domain.add_person("alice", unit=unit)
    domain.rename(dn, f"CN={name}")
    inner = domain.add_group("inner", [f"CN={name},{unit}"], unit=unit)
    domain.rename(inner, f"CN={name} too")
    domain.add_group("outer", [f"CN={name} too,{unit}"], unit=unit)
    account = login(connect())
    assert account is not None
    assert len(account.groups) == 2
    assert "outer" in account.groups


# --- Groups ---------------------------------------------------------------------------------------


def test_groups_in_groups_that_hold_each_other(
    domain: SambaServer, unit: str, connect: Connect
) -> None:
    """The rule for nested groups finds all of three levels, in a loop too, and no others."""
    alice = domain.add_person("alice", unit=unit)
    domain.add_person("bob", unit=unit)
    first = domain.add_group("first", [alice], unit=unit)
    second = domain.add_group("second", [first], unit=unit)
    third = domain.add_group("third", [second], unit=unit)
    domain.add_group("above", [third], unit=unit)
    domain.add_group("beside", [f"CN=bob,{unit}"], unit=unit)
    domain.set(first, "member", alice, third)
    account = login(connect())
    assert account is not None
    assert account.groups == ("above", "first", "second", "third")
    assert seen(connect(), account) == account


def test_more_members_than_are_returned_at_once(
    domain: SambaServer, unit: str, connect: Connect
) -> None:
    """The last member of a group that is too large to be listed at once is in it."""
    names = [f"m{number:04}" for number in range(1600)]
    domain.add_crowd(names, unit=unit)
    alice = domain.add_person("alice", unit=unit)
    domain.add_group("large", [*(f"CN={name},{unit}" for name in names), alice], unit=unit)
    account = login(connect())
    assert account is not None
    assert account.groups == ("large",)


def test_more_groups_than_are_returned_at_once(
    domain: SambaServer, unit: str, connect: Connect
) -> None:
    """All groups are found, page by page."""
    alice = domain.add_person("alice", unit=unit)
    names = [f"g{number:03}" for number in range(2 * PAGE_SIZE + 1)]
    domain.add_groups(names, [alice], unit=unit)
    account = login(connect())
    assert account is not None
    assert account.groups == tuple(names)


# --- Who may not work any more --------------------------------------------------------------------


def test_who_is_past_their_end(domain: SambaServer, unit: str, connect: Connect) -> None:
    """An account that has expired is noticed without a login; one that ends later is well."""
    dn = domain.add_person("alice", unit=unit)
    alice = login(connect())
    for ends, expected in ((_FAR_AWAY, False), (_LONG_AGO, True), (0, False)):
        domain.set(dn, "accountExpires", ends)
        account = seen(connect(), alice)
        assert account is not None
        assert account.disabled is expected
        assert (login(connect()) is None) is expected


def test_who_is_disabled(domain: SambaServer, unit: str, connect: Connect) -> None:
    """Bit 2 tells, whatever a filter of our own says besides; and so does that filter."""
    dn = domain.add_person("alice", unit=unit)
    directory = connect(disabled_filter="(description=left)")
    alice = login(directory)
    domain.set(dn, "userAccountControl", DISABLED)
    account = seen(directory, alice)
    assert account is not None
    assert account.disabled
    domain.set(dn, "userAccountControl", 512)
    domain.set(dn, "description", "left")
    account = seen(directory, alice)
    assert account is not None
    assert account.disabled


def test_a_password_that_must_be_changed(domain: SambaServer, unit: str, connect: Connect) -> None:
    """It lets nobody in, and ends nobody's tokens: it says nothing of the account."""
    dn = domain.add_person("alice", unit=unit)
    alice = login(connect())
    domain.set(dn, "pwdLastSet", 0)
    assert login(connect()) is None
    assert seen(connect(), alice) == alice
    domain.set(dn, "unicodePwd", secret("new-one"))
    assert login(connect(), "alice", "new-one") == alice


def test_an_account_that_is_locked(domain: SambaServer, unit: str, connect: Connect) -> None:
    """It lets nobody in; but whoever guessed there must not end tokens here."""
    dn = domain.add_person("alice", unit=unit)
    alice = login(connect())
    for _ in range(LOCKOUT):
        assert login(connect(), "alice", "wrong") is None
    assert login(connect()) is None
    assert seen(connect(), alice) == alice
    domain.set(dn, "lockoutTime", 0)
    assert login(connect()) == alice


def test_who_may_be_known_here(
    domain: SambaServer, unit: str, connect: Connect, tmp_path: Path
) -> None:
    """A renamed account is who it was, one that took over its name is nobody, and one that ended
    has no tokens once somebody looked."""
    alice = domain.add_person("alice", unit=unit)
    world = World(tmp_path, directory=connect())
    try:
        first, token = world.identity.login("alice", "pw-alice", label="", origin=_DESK)
        domain.set(alice, "sAMAccountName", "alison")
        again, _ = world.identity.login("alison", "pw-alice", label="", origin=_DESK)
        assert again.principal == first.principal
        domain.delete(alice)
        domain.add_person("alice", unit=unit)
        with pytest.raises(LoginNameTakenError):
            world.identity.login("alice", "pw-alice", label="", origin=_DESK)
        assert world.authenticator.authenticate(token).id == "alice"
        bob = domain.add_person("bob", unit=unit)
        _, bobs = world.identity.login("bob", "pw-bob", label="", origin=_DESK)
        domain.set(bob, "accountExpires", _LONG_AGO)
        assert world.accounts.refresh_all() == 2
        for gone in (token, bobs):
            with pytest.raises(UnauthenticatedError):
                world.authenticator.authenticate(gone)
    finally:
        world.close()


# --- Many -----------------------------------------------------------------------------------------


def test_many_people(domain: SambaServer, unit: str, connect: Connect) -> None:
    """Each of 1,200 is found again among the others, and who has gone meanwhile is not."""
    names = [f"u{number:04}" for number in range(1200)]
    domain.add_crowd(names, unit=unit)
    domain.add_group("some", [f"CN={name},{unit}" for name in names[::100]], unit=unit)
    directory = connect()
    with directory.servers.session() as session:
        entries = [directory.accounts.by_name(session, name) for name in names]
    ids = [directory.accounts.stable_id(entry) for entry in entries if entry]
    domain.delete(f"CN={names[5]},{unit}")
    found: dict[str, Account] = {}
    for start in range(0, len(ids), LOOK_UP_MAX):
        some = directory.look_up(ids[start : start + LOOK_UP_MAX])
        assert some.unclear == {}
        found.update(some.accounts)
    assert {account.user for account in found.values()} == {*names} - {names[5]}
    assert [each.user for each in found.values() if each.groups] == names[::100]


def test_what_auth_test_shows(
    domain: SambaServer,
    unit: str,
    connect: Connect,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each step with the query that Active Directory got, and what it answered."""
    alice = domain.add_person("alice", unit=unit, accountExpires=_LONG_AGO)
    domain.add_group("ml-fraud", [alice], unit=unit)
    settings = connect().settings
    for name, value in {
        "HOME": str(tmp_path),
        "LDAP_URLS": f"{domain.tls_url} {domain.url}",
        "LDAP_CA_FILE": str(settings.ca_file),
        "LDAP_ACTIVE_DIRECTORY": "yes",
        "LDAP_BIND_DN": SEARCHER,
        "LDAP_BIND_PASSWORD_FILE": str(settings.bind_password_file),
        "LDAP_USER_BASE": unit,
        "LDAP_GROUP_BASE": unit,
    }.items():
        monkeypatch.setenv(f"HALLMARK_{name}", value)
    done = CommandLine(capsys)("auth", "test", "--user", "alice")
    for shown in (
        f"{domain.url}, StartTLS, certificate signed by {settings.ca_file}",
        f"simple bind as {SEARCHER}",
        "(&(objectClass=person)(sAMAccountName=alice))",
        f"attribute objectGUID of {alice}",
        f"userAccountControl bit 2 and accountExpires of {alice}",
        "expired",
        f"(&(objectClass=group)(member:1.2.840.113556.1.4.1941:={alice}))",
        "ml-fraud",
        "All steps are well.",
    ):
        assert shown in done.out
    assert SEARCHER_PASSWORD not in done.out
