"""Wrong passwords are counted, and no refusal tells who there is."""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.auth.remembered import RememberingDirectory
from registry.domain.directory import Account
from registry.errors import (
    DirectoryUnavailableError,
    LoginBusyError,
    LoginRefusedError,
    LoginThrottledError,
)
from registry.services.identity import LOGINS_AT_ONCE, Origin
from registry.services.login_throttle import WINDOW_US, LoginThrottle
from registry.testing.office import DESK, STRANGER, Office

#: Under what attempts are counted.
KINDS = ("name", "account:nobody", "address", "")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def fail(office: Office, times: int, origin: Origin = DESK, user: str = "alice") -> None:
    for _ in range(times):
        with pytest.raises(LoginRefusedError):
            office.enter(user, "wrong", origin)


def test_after_four_failures_nothing_is_tried(office: Office) -> None:
    """The directory is not asked a fifth time, not even with the right password, for a while."""
    fail(office, 4)
    assert office.people.tried == 4
    with pytest.raises(LoginThrottledError):
        office.enter()
    assert office.people.tried == 4
    office.clock.advance(WINDOW_US)
    office.enter()


def test_a_name_spelt_otherwise_counts_as_the_same(office: Office) -> None:
    """It is the account that must not be locked out, however its name is written."""
    fail(office, 2)
    fail(office, 2, user="ALICE")
    with pytest.raises(LoginThrottledError):
        office.enter("Alice")
    assert office.people.tried == 4


def test_a_right_password_clears_the_count(office: Office) -> None:
    """Who mistypes and then gets it right starts anew."""
    for _ in range(5):
        fail(office, 3)
        office.enter()


def test_a_password_right_by_memory_moves_no_desk(office: Office) -> None:
    """Where the directory is not asked it forgives no failures, and strangers get no more of them:
    the desk stays where it was asked last."""
    office.identity._directory = RememberingDirectory(office.people, clock=office.clock, ttl_s=60)
    office.enter()
    for number in range(2):
        fail(office, 4, dataclasses.replace(STRANGER, address=f"10.6.6.{number}"))
    for number in range(2, 5):
        elsewhere = dataclasses.replace(STRANGER, address=f"10.6.6.{number}")
        office.enter(origin=elsewhere)
        with pytest.raises(LoginThrottledError):
            office.enter("alice", "wrong", elsewhere)
    fail(office, 4)
    assert office.people.tried == 1 + 8 + 4


def test_a_password_that_was_not_answered_counts(office: Office) -> None:
    """A directory that is too slow to answer counts all the same, so what it was asked is not
    forgotten here; what it was not asked is."""
    authenticate, asked = office.people.authenticate, 0

    def late(user: str, password: str, *, admit: Callable[[str], None]) -> Account | None:
        nonlocal asked
        admit(office.alice)
        asked += 1
        raise DirectoryUnavailableError(found="timed out")

    office.people.authenticate = late  # type: ignore[method-assign]
    for _ in range(4):
        with pytest.raises(DirectoryUnavailableError):
            office.enter("alice", "wrong")
    with pytest.raises(LoginThrottledError):
        office.enter("alice", "wrong")
    assert asked == 4
    office.people.authenticate = authenticate  # type: ignore[method-assign]
    office.clock.advance(WINDOW_US)
    office.enter()


def test_logins_leave_room_for_all_else(office: Office) -> None:
    """While as many wait for the directory as are let, one more is sent away, counted for nothing;
    a directory that hangs holds no other call."""
    users = [f"u{number}" for number in range(LOGINS_AT_ONCE)]
    for user in users:
        office.people.add(user)
    asked, answered = threading.Semaphore(0), threading.Event()
    authenticate = office.people.authenticate

    def hang(user: str, password: str, *, admit: Callable[[str], None]) -> Account | None:
        asked.release()
        answered.wait(30)
        return authenticate(user, password, admit=admit)

    office.people.authenticate = hang  # type: ignore[method-assign]
    with ThreadPoolExecutor(LOGINS_AT_ONCE) as pool:
        waiting = [pool.submit(office.enter, user, f"pw-{user}", STRANGER) for user in users]
        for _ in users:
            asked.acquire()
        for _ in range(5):
            with pytest.raises(LoginBusyError, match="12 logins"):
                office.enter("alice", "wrong")
        answered.set()
        assert [each.result()[0].id for each in waiting] == users
    office.people.authenticate = authenticate  # type: ignore[method-assign]
    fail(office, 4)


def test_another_process_counts_along(office: Office) -> None:
    """Failures that another process saw are failures here, and a restart forgives none."""
    fail(office, 4)
    other = LoginThrottle(
        database=office.database,
        clock=office.clock,
        key=b"t" * 32,
        failures_max=4,
        per_user_max=8,
        per_address_max=100,
    )
    with pytest.raises(LoginThrottledError):
        other.begin("alice", DESK.address)


def test_what_was_typed_cannot_be_found_out(office: Office) -> None:
    """What is stored of a name tells nobody without the key whether it was this one: it may have
    been a password, typed too early."""
    with pytest.raises(LoginRefusedError):
        office.enter("Autumn2026!", "wrong", STRANGER)
    stored = stored_subjects(office)
    assert len(stored) == 3
    guesses = {hashlib.sha256(f"{kind}:autumn2026!".encode()).hexdigest() for kind in KINDS}
    assert stored.isdisjoint(guesses)
    other = LoginThrottle(
        database=office.database,
        clock=office.clock,
        key=b"o" * 32,
        failures_max=4,
        per_user_max=8,
        per_address_max=100,
    )
    other.begin("Autumn2026!", STRANGER.address)
    assert len(stored_subjects(office)) == 5


def stored_subjects(office: Office) -> set[str]:
    with sqlite3.connect(office.folder / "hallmark.db") as opened:
        found = {row[0] for row in opened.execute("SELECT subject FROM login_attempts")}
    opened.close()
    return found


def test_strangers_do_not_lock_anybody_out_of_their_desk(office: Office) -> None:
    """From where the password was last right, only failures from there count."""
    office.enter()
    for number in range(2):
        fail(office, 4, dataclasses.replace(STRANGER, address=f"10.6.6.{number}"))
    with pytest.raises(LoginThrottledError):
        office.enter(origin=dataclasses.replace(STRANGER, address="10.6.6.9"))
    office.enter()
    assert office.people.tried == 10


def test_all_addresses_together_stay_below_the_lockout(office: Office) -> None:
    """However many addresses guess, no more than eight wrong passwords reach the directory."""
    for number in range(30):
        with pytest.raises((LoginRefusedError, LoginThrottledError)):
            office.enter("alice", "wrong", dataclasses.replace(DESK, address=f"10.1.1.{number}"))
    assert office.people.tried == 8


@pytest.mark.slow
def test_one_password_for_all_names(office: Office) -> None:
    """An address that tries everybody's name is not listened to after a hundred, and a login of its
    own in between forgives it nothing; others are."""
    for number in range(99):
        with pytest.raises(LoginRefusedError):
            office.enter(f"user{number}", "Autumn2026!", STRANGER)
    office.enter(origin=STRANGER)
    with pytest.raises(LoginRefusedError):
        office.enter("user99", "Autumn2026!", STRANGER)
    for user in ("user100", "alice"):
        with pytest.raises(LoginThrottledError):
            office.enter(user, "pw-alice", STRANGER)
    office.enter()
    office.clock.advance(WINDOW_US)
    office.enter(origin=STRANGER)


def test_old_attempts_are_forgotten(office: Office) -> None:
    """What no longer counts is not kept."""
    fail(office, 2)
    office.clock.advance(WINDOW_US + 1)
    assert office.throttle.purge() == 6
    assert office.throttle.purge() == 0


def test_many_attempts_at_once_are_no_more_than_allowed(office: Office) -> None:
    """Who tries twenty passwords at the same moment has four tried."""

    def attempt(_: int) -> None:
        with pytest.raises((LoginRefusedError, LoginThrottledError, LoginBusyError)):
            office.enter("alice", "wrong")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(attempt, range(20)))
    assert office.people.tried == 4


def test_first_logins_that_race_make_one_principal(office: Office) -> None:
    """However many first logins of somebody come at once, all are let in as the same principal."""
    office.throttle = office.identity._throttle = LoginThrottle(
        database=office.database,
        clock=office.clock,
        key=b"t" * 32,
        failures_max=100,
        per_user_max=100,
        per_address_max=100,
    )
    with ThreadPoolExecutor(8) as pool:
        callers = list(pool.map(lambda _: office.enter()[0], range(8)))
    assert len({caller.principal.uid for caller in callers}) == 1
    assert len({caller.token.id for caller in callers}) == 8
    assert office.actions().count("principal.create") == 1


def test_the_throttle_does_not_tell_who_there_is(office: Office) -> None:
    """From however many addresses, who exists and who does not are refused alike."""
    outcomes: dict[str, list[str]] = {"alice": [], "nobody": []}
    for user, found in outcomes.items():
        for number in range(12):
            origin = dataclasses.replace(DESK, address=f"10.1.1.{number}")
            with pytest.raises((LoginRefusedError, LoginThrottledError)) as refused:
                office.enter(user, "wrong", origin)
            found.append(str(refused.value))
    assert outcomes["alice"] == outcomes["nobody"]
    assert len(set(outcomes["alice"])) == 2


NAMES = ["alice", "ALICE", "\uff41lice", "alic\u00e9", "ali ce", "al\u00adice", "\U0001d4b6lice"]


def test_nor_do_names_that_are_one_to_the_directory(office: Office) -> None:
    """However a directory compares names, spelling one otherwise gets nobody tried more often, and
    tells by no refusal who there is: neither from one address nor from many."""
    people = {fold(name): office.alice for name in NAMES}
    authenticate = office.people.authenticate

    def loosely(user: str, password: str, *, admit: Callable[[str], None]) -> Account | None:
        return authenticate("alice" if fold(user) in people else user, password, admit=admit)

    office.people.authenticate = loosely  # type: ignore[method-assign]
    for origins in ([STRANGER] * 7, [replaced(STRANGER, f"10.7.7.{n}") for n in range(14)]):
        told = {
            who: [outcome(office, spelt, at) for spelt, at in zip(2 * names, origins, strict=False)]
            for who, names in (("alice", NAMES), ("nobody", [f"x{name}" for name in NAMES]))
        }
        assert told["alice"] == told["nobody"]
        office.clock.advance(WINDOW_US)
    assert office.people.tried == 4 + 8


def fold(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(c for c in decomposed if c.isalnum()).casefold()


def replaced(origin: Origin, address: str) -> Origin:
    return dataclasses.replace(origin, address=address)


def outcome(office: Office, user: str, origin: Origin) -> str:
    with pytest.raises((LoginRefusedError, LoginThrottledError)) as refused:
        office.enter(user, "wrong", origin)
    return str(refused.value)
