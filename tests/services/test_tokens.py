"""Tokens: bounds, the one reply with a secret, lists, revocation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.domain.access import Caller, PrincipalKind, Role, Token
from registry.domain.pages import PageRequest
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    TooLargeError,
)
from registry.names import PrincipalName, TokenName
from registry.ports.tables import EventQuery
from registry.testing.world import DAY_US, World, grant


@pytest.fixture
def root(world: World) -> Caller:
    return world.caller("root", grant(Role.ADMIN))


def create(
    world: World,
    caller: Caller,
    owner: str,
    *,
    ttl_us: int | None = DAY_US,
    label: str = "",
    request_id: str = "",
) -> tuple[Token, str]:
    return world.tokens.create(
        caller,
        PrincipalName(principal=owner),
        label=label,
        expire_time_us=None if ttl_us is None else world.clock.now_us() + ttl_us,
        request_id=request_id,
    )


def name_of(token: Token) -> TokenName:
    return TokenName.parse(token.name)


def test_a_created_token_logs_in(world: World) -> None:
    """Anybody makes tokens for themselves, and the secret in the reply proves who they are."""
    ada = world.caller("ada")
    token, secret = create(world, ada, "ada", label="laptop")
    assert world.authenticator.authenticate(secret).token == token
    assert (token.label, token.creator) == ("laptop", "principals/ada")


def test_only_administrators_make_tokens_for_others(world: World, root: Caller) -> None:
    """Without principal.write a token for another is refused, whether that one exists or not."""
    ada = world.caller("ada", *(grant(role) for role in Role if role is not Role.ADMIN))
    for owner in ("root", "nobody"):
        with pytest.raises(PermissionDeniedError):
            create(world, ada, owner)
    assert create(world, root, "ada")[0].principal == "ada"
    with pytest.raises(NotFoundError):
        create(world, root, "nobody")


@pytest.mark.parametrize(("kind", "days"), [(PrincipalKind.PERSON, 366), (PrincipalKind.ROBOT, 90)])
def test_expiry_is_bounded(world: World, root: Caller, kind: PrincipalKind, days: int) -> None:
    """An expiry is required, lies ahead, and at most 366 days (people) or 90 days (robots)."""
    world.login("ada", kind=kind)
    mends = {None: "Say when", 0: "a later one", -1: "a later one", days * DAY_US + 1: "an earlier"}
    for ttl_us, fix in mends.items():
        with pytest.raises(InvalidFieldError, match=rf"token\.expire_time.*{fix}"):
            create(world, root, "ada", ttl_us=ttl_us)
    assert create(world, root, "ada", ttl_us=days * DAY_US)[1]


def test_a_token_cannot_outlive_the_one_that_asks(world: World) -> None:
    """Whoever stole a token cannot prolong it; an administrator may give more."""
    ada = world.login("ada", ttl_us=DAY_US).caller
    with pytest.raises(InvalidFieldError, match="the token that asks"):
        create(world, ada, "ada", ttl_us=DAY_US + 1)
    create(world, ada, "ada", ttl_us=DAY_US)
    root = world.login("root", grant(Role.ADMIN), ttl_us=DAY_US).caller
    create(world, root, "root", ttl_us=300 * DAY_US)


def test_a_repeat_has_no_secret(world: World) -> None:
    """A repeat returns the token without its secret, also when its expiry has passed since."""
    ada = world.caller("ada")
    first, secret = create(world, ada, "ada", ttl_us=10, request_id="r")
    assert secret
    expire_time_us = first.expire_time_us
    world.clock.advance(20)
    again = world.tokens.create(
        ada,
        PrincipalName(principal="ada"),
        label="",
        expire_time_us=expire_time_us,
        request_id="r",
    )
    assert again == (first, "")


def test_racing_twins_make_one_token(world: World) -> None:
    """Of sixteen equal requests with one id exactly one gets the secret."""
    ada = world.caller("ada")
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: create(world, ada, "ada", request_id="r"), range(16)))
    assert len({token.id for token, _ in results}) == 1
    assert len([secret for _, secret in results if secret]) == 1


def test_a_long_label_is_refused(world: World) -> None:
    """Labels have at most 200 characters."""
    with pytest.raises(TooLargeError):
        create(world, world.caller("ada"), "ada", label="x" * 201)


def test_a_label_is_one_line(world: World) -> None:
    """A label with a line break is refused."""
    with pytest.raises(InvalidFieldError, match=r"token\.label: found U\+000A"):
        create(world, world.caller("ada"), "ada", label="laptop\nserver")


def test_lists_are_newest_first_and_drop_what_ended_long_ago(world: World) -> None:
    """Ended tokens are listed for 30 days more, all in pages, newest first."""
    ada = world.login("ada", ttl_us=300 * DAY_US).caller
    short = create(world, ada, "ada", ttl_us=DAY_US)[0]
    revoked = create(world, ada, "ada", ttl_us=200 * DAY_US)[0]
    world.tokens.revoke(ada, name_of(revoked))
    kept = create(world, ada, "ada", ttl_us=200 * DAY_US)[0]

    def listed() -> list[str]:
        ids: list[str] = []
        token = ""
        while True:
            page = world.tokens.list(
                ada, PrincipalName(principal="ada"), PageRequest(size=1, token=token)
            )
            ids += [item.id for item in page.items]
            token = page.next_page_token
            if not token:
                return ids

    assert listed() == [kept.id, revoked.id, short.id, ada.token.id]
    world.clock.advance(30 * DAY_US + 1)
    assert listed() == [kept.id, short.id, ada.token.id]
    world.clock.advance(DAY_US)
    assert listed() == [kept.id, ada.token.id]


def test_lists_are_for_oneself_and_readers_of_principals(world: World, root: Caller) -> None:
    """Another's tokens are listed with principal.read only."""
    ada = world.caller("ada", grant(Role.SECURITY))
    auditor = world.caller("olga", grant(Role.AUDITOR))
    with pytest.raises(PermissionDeniedError):
        world.tokens.list(ada, PrincipalName(principal="root"), PageRequest())
    for reader in (root, auditor):
        page = world.tokens.list(reader, PrincipalName(principal="ada"), PageRequest())
        assert [token.id for token in page.items] == [ada.token.id]


def test_revoking_repeats_safely(world: World, root: Caller) -> None:
    """A second revocation changes nothing: the first one's time stays, one event tells of it."""
    ada = world.caller("ada")
    token = create(world, ada, "ada")[0]
    first = world.tokens.revoke(ada, name_of(token))
    world.clock.advance(1_000_000)
    assert world.tokens.revoke(root, name_of(token)) == first
    query = EventQuery(namespace=None, resource=token.name, action="token.revoke")
    assert len(world.events.list(root, query, "", PageRequest()).items) == 1


def test_only_its_owner_and_administrators_revoke(world: World, root: Caller) -> None:
    """A foreign token cannot be revoked, an unknown one of one's own is NOT_FOUND."""
    ada = world.caller("ada", grant(Role.SECURITY))
    with pytest.raises(PermissionDeniedError):
        world.tokens.revoke(ada, name_of(root.token))
    with pytest.raises(NotFoundError):
        world.tokens.revoke(ada, TokenName.parse("principals/ada/tokens/none"))
    assert world.tokens.revoke(root, name_of(ada.token)).revoke_time_us


def test_events_hold_no_secret(world: World, root: Caller) -> None:
    """The audit log says which token was made, never its secret or hash."""
    _, secret = create(world, root, "root")
    page = world.events.list(root, EventQuery(namespace=None), "", PageRequest())
    assert page.items[0].action == "token.create"
    assert all(secret[3:33] not in repr(event) for event in page.items)
