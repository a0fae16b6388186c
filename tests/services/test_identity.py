"""Logging in with the directory's password, and what is kept of the directory here."""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.auth.remembered import RememberingDirectory
from registry.domain.access import Caller, Grant, Role
from registry.domain.directory import LOOK_UP_MAX, Account, LookedUp
from registry.domain.events import Event
from registry.domain.group_roles import GroupRoles, GroupRule
from registry.domain.promotions import Outcome
from registry.domain.versions import VersionState
from registry.errors import (
    DirectoryUnavailableError,
    LoginBusyError,
    LoginInsecureError,
    LoginNameTakenError,
    LoginRefusedError,
    LoginThrottledError,
    NoDirectoryError,
    PermissionDeniedError,
    TokenExpiredError,
    UnauthenticatedError,
)
from registry.names import ModelName, PolicyChangeName, PromotionName, VersionName
from registry.ports.tables import EventQuery
from registry.services.directory_accounts import FAILURES_MAX, AccountKeeper
from registry.services.identity import LOGINS_AT_ONCE, Origin
from registry.services.login_throttle import WINDOW_US, LoginThrottle
from registry.testing.directory import MemoryDirectory
from registry.testing.world import World, grant

DESK = Origin(address="10.0.0.1", is_confidential=True)
STRANGER = Origin(address="10.6.6.6", is_confidential=True)
REVIEWERS = GroupRoles(
    rules=(GroupRule(group="Reviewers", role=Role.REVIEWER, namespace_pattern="fraud"),)
)
#: Under what attempts are counted.
KINDS = ("name", "account:nobody", "address", "")
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


class Office(World):
    """A world with a directory in memory, in which alice reviews."""

    def __init__(self, folder: Path) -> None:
        self.people = MemoryDirectory()
        super().__init__(folder, directory=self.people, group_roles=REVIEWERS)
        self.people.clock = self.clock
        self.alice = self.people.add("alice", groups=["reviewers", "everyone"])

    def enter(
        self, user: str = "alice", password: str = "pw-alice", origin: Origin = DESK
    ) -> tuple[Caller, str]:
        return self.identity.login(user, password, label="", origin=origin)

    def actions(self) -> list[str]:
        """Of all audit events, in order."""
        return [event.action for event in self.log()]

    def log(self) -> Sequence[Event]:
        query = EventQuery(namespace=None, oldest_first=True)
        return self.database.read(lambda tx: tx.events.list(query, None, 1000))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def test_the_first_login_makes_the_principal(office: Office) -> None:
    """A person is known by the directory's name, holds its groups, and what these are given."""
    caller, secret = office.enter()
    assert caller.id == "alice"
    assert caller.groups == ("everyone", "reviewers")
    assert caller.group_grants == (Grant(role=Role.REVIEWER, namespace_pattern="fraud"),)
    assert office.authenticator.authenticate(secret) == caller
    assert "principal.create" in office.actions()
    assert office.actions()[-2:] == ["identity.login", "token.create"]


def test_a_token_ends_after_hours(office: Office) -> None:
    """What a password gave is good for twelve hours and no longer."""
    _, secret = office.enter()
    office.clock.advance(12 * HOUR_US - 1)
    office.authenticator.authenticate(secret)
    office.clock.advance(1)
    with pytest.raises(TokenExpiredError):
        office.authenticator.authenticate(secret)


@pytest.mark.parametrize(
    ("user", "password"),
    [("alice", "wrong"), ("nobody", "pw-alice"), ("alice", ""), ("", "pw-alice"), ("*", "x")],
)
def test_a_refusal_does_not_say_what_was_wrong(office: Office, user: str, password: str) -> None:
    """Wrong passwords and unknown names are refused in the same words, and written down."""
    with pytest.raises(LoginRefusedError) as refused:
        office.enter(user, password)
    assert str(refused.value) == str(LoginRefusedError())
    assert office.actions() == ["identity.refuse"]


def test_what_was_typed_as_an_unknown_name_is_kept_nowhere(office: Office) -> None:
    """A password typed as a name is in no event, and not in the database as it is."""
    canary = "canary-typed-too-early"
    with pytest.raises(LoginRefusedError):
        office.enter(canary, "x")
    office.enter()
    office.database.close()
    for file in office.folder.glob("hallmark.db*"):
        assert canary.encode() not in file.read_bytes()
        assert b"pw-alice" not in file.read_bytes()


def test_passwords_are_not_taken_from_open_connections(office: Office) -> None:
    """Where anybody could have read the password, nobody is logged in and nothing is asked."""
    with pytest.raises(LoginInsecureError):
        office.enter(origin=dataclasses.replace(DESK, is_confidential=False))
    assert office.people.tried == 0


def test_without_a_directory_there_are_no_passwords(world: World) -> None:
    """A server without a directory says how to get a token instead."""
    with pytest.raises(NoDirectoryError, match="--token-file"):
        world.identity.login("alice", "pw-alice", label="", origin=DESK)


def test_a_directory_that_is_down(office: Office) -> None:
    """Nobody is logged in, tokens go on, and no failure is counted."""
    _, secret = office.enter()
    office.people.is_down = True
    for _ in range(10):
        with pytest.raises(DirectoryUnavailableError) as refused:
            office.enter()
        assert "memory" not in str(refused.value)
    assert office.accounts.refresh_all() == 0
    assert office.authenticator.authenticate(secret).id == "alice"
    office.people.is_down = False
    office.enter()


def test_a_renamed_account_keeps_its_principal(office: Office) -> None:
    """It is the account that is bound to a principal, not its name."""
    first, _ = office.enter()
    office.people.rename(office.alice, "alison")
    again, _ = office.enter("alison")
    assert again.principal == first.principal


def test_a_name_that_is_used_again_is_nobody_here(office: Office) -> None:
    """Who takes over a name in the directory never becomes who bore it before."""
    office.enter()
    office.people.remove(office.alice)
    office.people.add("alice", id="another")
    with pytest.raises(LoginNameTakenError, match="an earlier account"):
        office.enter()


@pytest.mark.parametrize("name", ["root", "ROOT"])
def test_a_name_of_another_origin_is_not_taken_over(office: Office, name: str) -> None:
    """A principal that was made here is not the directory's person of that name."""
    office.login("root", grant(Role.ADMIN))
    office.people.add(name)
    with pytest.raises(LoginNameTakenError, match="made here"):
        office.enter(name, f"pw-{name}")


@pytest.mark.parametrize("name", ["\u212aate", "j\u00f6rg", "o'neil", "a b"])
def test_names_that_cannot_be_ours(office: Office, name: str) -> None:
    """A name that is no principal's id, not even one that only looks so, is told with its mend."""
    office.people.add(name)
    with pytest.raises(LoginRefusedError, match="HALLMARK_LDAP_USER_ATTRIBUTE"):
        office.enter(name, f"pw-{name}")
    assert office.database.read(lambda tx: tx.principals.get("kate")) is None


def test_a_disabled_account_cannot_log_in(office: Office) -> None:
    """Whoever is disabled in the directory is refused, and so are the tokens they have."""
    _, secret = office.enter()
    office.people.disable(office.alice)
    with pytest.raises(LoginRefusedError, match="disabled"):
        office.enter()
    with pytest.raises(UnauthenticatedError, match="disabled"):
        office.authenticator.authenticate(secret)
    office.people.disable(office.alice, disabled=False)
    office.enter()
    assert office.authenticator.authenticate(secret).id == "alice"


def test_a_new_account_that_is_disabled_makes_no_principal(office: Office) -> None:
    """Nobody comes to be here by an account that is disabled."""
    office.people.disable(office.alice)
    with pytest.raises(LoginRefusedError, match="disabled"):
        office.enter()
    assert office.database.read(lambda tx: tx.principals.get("alice")) is None


def test_who_is_disabled_here_cannot_log_in(office: Office) -> None:
    """An administrator's word here counts too."""
    caller, _ = office.enter()
    off = dataclasses.replace(caller.principal, disabled=True, etag="2")
    office.database.write(lambda tx: tx.principals.update(off, caller.principal.etag))
    with pytest.raises(LoginRefusedError, match="disabled here"):
        office.enter()


# --- Read again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["disable", "remove"])
def test_tokens_of_who_left_are_refused_once_noticed(office: Office, leave: str) -> None:
    """The periodic look finds who is disabled or gone, and their tokens end."""
    _, secret = office.enter()
    getattr(office.people, leave)(office.alice)
    assert office.authenticator.authenticate(secret).id == "alice"
    assert office.accounts.refresh_all() == 1
    with pytest.raises(UnauthenticatedError, match=r"disabled|gone"):
        office.authenticator.authenticate(secret)
    assert office.actions()[-1] == "identity.standing_changed" or leave == "remove"


def test_groups_are_read_again(office: Office) -> None:
    """What groups give ends with the group, and the change is written down once."""
    _, secret = office.enter()
    office.people.regroup(office.alice, "everyone")
    office.accounts.refresh_all()
    office.accounts.refresh_all()
    caller = office.authenticator.authenticate(secret)
    assert (caller.groups, caller.group_grants) == (("everyone",), ())
    assert office.actions().count("identity.groups_changed") == 2


def test_all_accounts_are_looked_up(office: Office) -> None:
    """However many there are, each is looked up, and a single failure stops none of the others."""
    for number in range(205):
        office.people.add(f"u{number:03}")
        office.enter(f"u{number:03}", f"pw-u{number:03}")
    office.people.unclear["id-8-u007"] = "more than 1000 groups"
    assert office.accounts.refresh_all() == 204


def test_a_page_that_fails_stops_none_of_the_others(office: Office) -> None:
    """Where some cannot be looked up together, those behind them are all the same; where none can,
    the directory is taken for down before each has waited for it."""
    for number in range(5 * LOOK_UP_MAX):
        office.people.add(f"u{number:03}")
        office.enter(
            f"u{number:03}",
            f"pw-u{number:03}",
            Origin(address=f"10.1.{number}.1", is_confidential=True),
        )
    look_up, asked = office.people.look_up, 0

    def fail(stable_ids: Sequence[str]) -> LookedUp:
        nonlocal asked
        asked += 1
        if office.people.is_down or "id-2-u001" in stable_ids:
            raise DirectoryUnavailableError(found="search ended with adminLimitExceeded")
        return look_up(stable_ids)

    office.people.look_up = fail  # type: ignore[method-assign]
    assert office.accounts.refresh_all() == 4 * LOOK_UP_MAX
    office.people.is_down, asked = True, 0
    with pytest.raises(DirectoryUnavailableError):
        office.accounts.refresh_all()
    assert asked == FAILURES_MAX


def test_who_is_unclear_is_neither_ended_nor_revived(office: Office) -> None:
    """An account of which the directory tells nothing stays what it was, and decides nothing."""
    caller, secret = office.enter()
    office.people.unclear[office.alice] = "two values"
    assert office.accounts.refresh_all() == 0
    with pytest.raises(DirectoryUnavailableError) as refused:
        office.accounts.refreshed(caller)
    assert "two values" not in str(refused.value)
    assert office.authenticator.authenticate(secret).id == "alice"
    office.people.unclear.clear()
    office.people.disable(office.alice)
    office.accounts.refresh_all()
    office.people.disable(office.alice, disabled=False)
    office.people.unclear[office.alice] = "two values"
    office.accounts.refresh_all()
    with pytest.raises(UnauthenticatedError):
        office.authenticator.authenticate(secret)


def test_what_was_read_later_counts(office: Office) -> None:
    """An answer that took long does not undo what was read meanwhile."""
    _, secret = office.enter()
    old = office.people.look_up([office.alice]).accounts[office.alice]
    office.clock.advance(1)
    office.people.disable(office.alice)
    office.accounts.refresh_all()
    office.people.authenticate = lambda *_, **__: old  # type: ignore[method-assign]
    with pytest.raises(LoginRefusedError, match="disabled"):
        office.enter()
    with pytest.raises(UnauthenticatedError):
        office.authenticator.authenticate(secret)


# --- Decisions ------------------------------------------------------------------------------------


@pytest.fixture
def decide(office: Office) -> Callable[[Caller], object]:
    """Approve a promotion that somebody else asked for."""
    office.model("fraud/scorer")
    version = office.version("fraud/scorer", {"a": b"a"}, state=VersionState.RELEASED)
    deployer = office.caller("deployer", grant(Role.DEPLOYER, "fraud"))
    name = VersionName(model=ModelName(path="fraud/scorer"), number=version.number)
    promotion = office.promotions.create(
        deployer,
        name,
        stage="production",
        note="",
        expected_current=0,
        expire_time_us=None,
        validate_only=False,
        request_id="",
    )
    return lambda caller: office.promotions.decide(
        caller,
        PromotionName(number=promotion.number),
        outcome=Outcome.APPROVE,
        comment="",
        digest=version.digest,
        expected_current=0,
    )


def test_a_decision_keeps_the_groups_of_its_moment(
    office: Office, decide: Callable[[Caller], object]
) -> None:
    """The groups that count are those of now, and they are stored with the decision."""
    caller, _ = office.enter()
    office.people.regroup(office.alice, "reviewers", "night-shift")
    decide(caller)
    stored = office.database.read(lambda tx: tx.promotions.get(1))
    assert stored is not None
    assert stored.decisions[0].groups == ("night-shift", "reviewers")


def test_who_left_the_group_does_not_decide(
    office: Office, decide: Callable[[Caller], object]
) -> None:
    """A token from before does not help: the directory is asked when it matters."""
    caller, _ = office.enter()
    office.people.regroup(office.alice, "everyone")
    with pytest.raises(PermissionDeniedError):
        decide(caller)


@pytest.mark.parametrize("leave", ["disable", "remove"])
def test_who_left_the_company_does_not_decide(
    office: Office, decide: Callable[[Caller], object], leave: str
) -> None:
    """An account that is disabled or gone is noticed at the decision, and its tokens end."""
    caller, secret = office.enter()
    getattr(office.people, leave)(office.alice)
    with pytest.raises(UnauthenticatedError):
        decide(caller)
    with pytest.raises(UnauthenticatedError):
        office.authenticator.authenticate(secret)


def test_nobody_of_the_directory_decides_while_it_is_down(
    office: Office, decide: Callable[[Caller], object]
) -> None:
    """What cannot be known is not assumed; who is not of the directory decides as ever."""
    caller, _ = office.enter()
    office.people.is_down = True
    with pytest.raises(DirectoryUnavailableError):
        decide(caller)
    decide(office.caller("bob", grant(Role.REVIEWER, "fraud")))


def test_a_server_that_lost_its_directory_takes_no_word_for_it(office: Office) -> None:
    """Accounts of a directory that is not configured any more decide nothing."""
    caller, _ = office.enter()
    keeper = AccountKeeper(
        database=office.database,
        clock=office.clock,
        authenticator=office.authenticator,
        directory=None,
    )
    with pytest.raises(NoDirectoryError):
        keeper.refreshed(caller)


# --- Throttle -------------------------------------------------------------------------------------


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


def test_a_policy_is_decided_on_with_the_groups_of_now(office: Office) -> None:
    """Whoever left the group decides on no policy any more, though nobody logged in meanwhile; and
    nobody of the directory does while it is down."""
    caller, _ = office.enter()
    caller = dataclasses.replace(caller, group_grants=(grant(Role.SECURITY),))
    name = PolicyChangeName(number=1)

    def decide() -> None:
        office.policies.decide(caller, name, outcome=Outcome.APPROVE, digest="", comment="")

    with pytest.raises(PermissionDeniedError):
        decide()
    office.people.is_down = True
    with pytest.raises(DirectoryUnavailableError):
        decide()
