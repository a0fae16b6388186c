"""How tokens end: rotated with an overlap, or all at once."""

from __future__ import annotations

import pytest

from registry.domain.access import Caller, Role, Token
from registry.domain.pages import PageRequest
from registry.domain.scopes import Scope
from registry.errors import (
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    TokenExpiredError,
    TokenRevokedError,
    TokenScopeError,
)
from registry.names import PrincipalName, TokenName
from registry.ports.tables import EventQuery
from registry.testing.world import DAY_US, Login, World, grant

HOUR_US = 3600 * 1_000_000


@pytest.fixture
def root(world: World) -> Caller:
    return world.caller("root", grant(Role.ADMIN))


def rotate(
    world: World,
    caller: Caller,
    token: Token,
    *,
    overlap_us: int = HOUR_US,
    expire_time_us: int | None = None,
    request_id: str = "",
) -> tuple[Token, str]:
    return world.tokens.rotate(
        caller,
        TokenName.parse(token.name),
        overlap_us=overlap_us,
        expire_time_us=expire_time_us,
        request_id=request_id,
    )


def authenticates(world: World, login: Login) -> bool:
    try:
        world.authenticator.authenticate(login.secret)
    except (TokenExpiredError, TokenRevokedError):
        return False
    return True


def test_both_work_until_the_overlap_is_over(world: World, root: Caller) -> None:
    """The successor has owner, label, scopes and as long a life; the old one ends in between."""
    scopes = (Scope(action="version.read"),)
    old = world.login("bot", grant(Role.READER), scopes=scopes, ttl_us=30 * DAY_US)
    world.clock.advance(29 * DAY_US)
    assert authenticates(world, old)
    new, secret = rotate(world, root, old.caller.token)
    assert (new.principal, new.label, new.scopes) == ("bot", "", scopes)
    assert new.expire_time_us == world.clock.now_us() + 30 * DAY_US
    assert new.creator == "principals/root"
    assert world.authenticator.authenticate(secret).token == new
    assert authenticates(world, old)
    world.clock.advance(HOUR_US)
    assert not authenticates(world, old)
    assert world.authenticator.authenticate(secret).token == new
    query = EventQuery(namespace=None, resource=old.caller.token.name, action="token.rotate")
    (event,) = world.events.list(root, query, "", PageRequest()).items
    assert new.name in event.detail_json


def test_an_overlap_never_prolongs(world: World, root: Caller) -> None:
    """The old token ends at its own expiry if that comes first, and at once without an overlap."""
    short = world.login("ada", ttl_us=10)
    rotate(world, root, short.caller.token, overlap_us=7 * DAY_US)
    world.clock.advance(10)
    assert not authenticates(world, short)
    other = world.login("ada")
    assert authenticates(world, other)
    rotate(world, root, other.caller.token, overlap_us=0)
    assert not authenticates(world, other)
    for overlap_us in (-1, 7 * DAY_US + 1):
        with pytest.raises(InvalidFieldError, match="overlap"):
            rotate(world, root, world.login("ada").caller.token, overlap_us=overlap_us)


def test_a_stolen_token_cannot_prolong_itself(world: World) -> None:
    """Who rotates with the token itself gets one that ends no later."""
    ada = world.login("ada", ttl_us=DAY_US).caller
    world.clock.advance(HOUR_US)
    new, _ = rotate(world, ada, ada.token)
    assert new.expire_time_us == ada.token.expire_time_us
    with pytest.raises(InvalidFieldError, match="the token that asks"):
        rotate(world, ada, ada.token, expire_time_us=ada.token.expire_time_us + 1)


def test_only_who_could_make_the_successor_rotates(world: World, root: Caller) -> None:
    """Others' tokens take principal.write, narrow tokens token.create and scopes that cover."""
    bob = world.login("bob").caller
    ada = world.caller("ada", *(grant(role) for role in Role if role is not Role.ADMIN))
    for name in (bob.token.name, "principals/bob/tokens/none"):
        with pytest.raises(PermissionDeniedError):
            world.tokens.rotate(
                ada, TokenName.parse(name), overlap_us=0, expire_time_us=None, request_id=""
            )
    narrow = world.login("bob", scopes=[Scope(action="version.read")]).caller
    with pytest.raises(TokenScopeError):
        rotate(world, narrow, narrow.token)
    maker = [Scope(action="version.read"), Scope(action="token.create")]
    own = world.login("bob", scopes=maker).caller
    assert rotate(world, own, own.token)[0].scopes == own.token.scopes
    with pytest.raises(TokenScopeError):
        rotate(world, own, bob.token)
    with pytest.raises(NotFoundError):
        rotate(world, root, Token(**{**vars(bob.token), "id": "none"}))


def test_a_repeat_makes_no_second_successor(world: World, root: Caller) -> None:
    """A repeat returns the successor without its secret, also when the old one has ended."""
    old = world.login("ada").caller.token
    new, secret = rotate(world, root, old, request_id="r")
    world.clock.advance(2 * HOUR_US)
    assert secret
    assert rotate(world, root, old, request_id="r") == (new, "")


def test_what_has_ended_is_not_rotated(world: World, root: Caller) -> None:
    """A revoked or expired token has no successor."""
    revoked, expired = world.login("ada").caller, world.login("ada", ttl_us=5).caller
    world.tokens.revoke(root, TokenName.parse(revoked.token.name))
    world.clock.advance(5)
    for caller, found in ((revoked, "REVOKED"), (expired, "EXPIRED")):
        with pytest.raises(InvalidStateError, match=found):
            rotate(world, root, caller.token)


def test_all_tokens_end_at_once(world: World, root: Caller) -> None:
    """All that had not ended are revoked, those of others are not; the log says which."""
    logins = [world.login("ada") for _ in range(3)]
    other = world.login("bob")
    assert all(authenticates(world, login) for login in (*logins, other))
    me = PrincipalName(principal="ada")
    assert world.tokens.revoke_all(root, me, except_current=False) == 3
    assert not any(authenticates(world, login) for login in logins)
    assert authenticates(world, other)
    assert world.tokens.revoke_all(root, me, except_current=False) == 0
    query = EventQuery(namespace=None, action="token.revoke_all")
    (event,) = world.events.list(root, query, "", PageRequest()).items
    assert all(login.caller.token.id in event.detail_json for login in logins)


def test_the_current_token_may_be_kept(world: World) -> None:
    """With except_current the token that asks goes on, alone."""
    kept, gone = world.login("ada"), world.login("ada")
    me = PrincipalName(principal="ada")
    assert world.tokens.revoke_all(kept.caller, me, except_current=True) == 1
    assert (authenticates(world, kept), authenticates(world, gone)) == (True, False)


def test_others_tokens_take_a_right(world: World) -> None:
    """Without principal.write the tokens of others stay, whether or not they exist."""
    ada = world.caller("ada", grant(Role.SECURITY))
    for owner in ("nobody", "ada2"):
        with pytest.raises(PermissionDeniedError):
            world.tokens.revoke_all(ada, PrincipalName(principal=owner), except_current=False)
