"""Logging in with the directory's password, and what is kept of the directory here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from registry.domain.access import Caller, Grant, Role
from registry.domain.directory import LOOK_UP_MAX, LookedUp
from registry.domain.promotions import Outcome
from registry.domain.versions import VersionState
from registry.errors import (
    DirectoryUnavailableError,
    LoginInsecureError,
    LoginNameTakenError,
    LoginRefusedError,
    NoDirectoryError,
    PermissionDeniedError,
    TokenExpiredError,
    UnauthenticatedError,
)
from registry.names import (
    ModelName,
    PolicyChangeName,
    PrincipalName,
    PromotionName,
    VersionName,
)
from registry.services.directory_accounts import FAILURES_MAX, AccountKeeper
from registry.services.identity import Origin
from registry.testing.office import DESK, Office
from registry.testing.world import World, grant

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


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


def test_an_explanation_counts_what_groups_give(office: Office) -> None:
    """Whoever asks why alice may decide is told of her group, until a look finds her out of it."""
    office.enter()
    admin = office.caller("root", grant(Role.ADMIN))

    def explained() -> list[bool]:
        found = office.access.explain(
            admin,
            PrincipalName(principal="alice"),
            action="promotion.decide",
            resource="namespaces/fraud",
            stage="",
        )
        assert found.allowed is bool(found.rows)
        return [row.from_group for row in found.rows]

    assert explained() == [True]
    office.people.regroup(office.alice, "everyone")
    assert office.accounts.refresh_all() == 1
    assert explained() == []


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


@pytest.mark.slow
def test_all_accounts_are_looked_up(office: Office) -> None:
    """However many there are, each is looked up, and a single failure stops none of the others."""
    for number in range(205):
        office.people.add(f"u{number:03}")
        office.enter(f"u{number:03}", f"pw-u{number:03}")
    office.people.unclear["id-8-u007"] = "more than 1000 groups"
    assert office.accounts.refresh_all() == 204


@pytest.mark.slow
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
