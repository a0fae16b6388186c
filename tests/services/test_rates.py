"""How often: a steady rate, a burst, and bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.access import Role
from registry.errors import RateLimitedError, TokenRevokedError, UnauthenticatedError
from registry.names import PrincipalName, TokenName
from registry.services.authentication import Authenticator, new_secret
from registry.services.rates import Rates, party_of
from registry.testing.world import World, grant

SECOND_US = 1_000_000
T0 = 1_700_000_000 * SECOND_US


def test_a_burst_and_then_the_steady_rate() -> None:
    """Of 60 a minute 3 may come at once, then one a second; who waits regains the burst."""
    rates = Rates(per_minute=60, burst=3)
    assert [rates.take("a", T0) for _ in range(4)] == [0, 0, 0, SECOND_US]
    assert rates.take("a", T0 + SECOND_US - 1) == 1
    assert rates.take("a", T0 + SECOND_US) == 0
    assert rates.take("b", T0) == 0
    later = T0 + 60 * SECOND_US
    assert [rates.take("a", later) for _ in range(4)] == [0, 0, 0, SECOND_US]


def test_asking_counts_nothing() -> None:
    """wait_us says what take would, and leaves the budget as it is."""
    rates = Rates(per_minute=60, burst=1)
    assert [rates.wait_us("a", T0) for _ in range(3)] == [0, 0, 0]
    rates.take("a", T0)
    assert rates.wait_us("a", T0) == SECOND_US


def test_no_limit() -> None:
    """Zero calls a minute stands for any number."""
    rates = Rates(per_minute=0, burst=1)
    assert not any(rates.take("a", T0) for _ in range(1000))


@given(
    per_minute=st.integers(1, 600_000),
    burst=st.integers(1, 100),
    gaps=st.lists(st.integers(0, 120 * SECOND_US), max_size=200),
)
def test_never_more_than_burst_and_rate(per_minute: int, burst: int, gaps: list[int]) -> None:
    """In any stretch of time at most the burst and the steady rate's share of it are allowed, and
    whoever waits as long as it was told is let through."""
    rates = Rates(per_minute=per_minute, burst=burst)
    interval_us = 60 * SECOND_US // per_minute
    now, allowed = T0, []
    for gap in gaps:
        now += gap
        wait_us = rates.take("a", now)
        if wait_us == 0:
            allowed.append(now)
        else:
            assert rates.wait_us("a", now + wait_us) == 0
            assert rates.wait_us("a", now + wait_us - 1) > 0
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            stretch_us = allowed[last] - allowed[first]
            assert last - first + 1 <= burst + stretch_us // interval_us


def test_memory_is_bounded() -> None:
    """Beyond so many keys the one that was first seen longest ago starts anew."""
    rates = Rates(per_minute=1, burst=1, keys_max=2)
    for key in ("a", "b", "c"):
        rates.take(key, T0)
    assert rates.wait_us("c", T0) > 0
    assert rates.wait_us("a", T0) == 0


def authenticator(world: World, *, calls_per_minute: int) -> Authenticator:
    return Authenticator(
        database=world.database,
        clock=world.clock,
        changes=world.board.callers,
        calls_per_minute=calls_per_minute,
    )


def test_a_principal_calls_too_often(world: World) -> None:
    """Calls beyond the rate are refused with when to come again, by any token and by tickets; other
    principals are not concerned."""
    ada, ben = world.login("ada"), world.login("ben")
    limited = authenticator(world, calls_per_minute=120)
    limited.authenticate(ada.secret)
    limited.caller_of("ada", ada.caller.token.id)
    with pytest.raises(RateLimitedError, match=r"principals/ada.*120 calls a minute") as refused:
        limited.authenticate(ada.secret)
    assert refused.value.retry_after_s == 1
    limited.caller_of("ben", ben.caller.token.id)
    with pytest.raises(RateLimitedError):
        limited.caller_of("ada", ada.caller.token.id)
    world.clock.advance(SECOND_US)
    assert limited.authenticate(ada.secret) == ada.caller


def test_an_address_that_guesses(world: World) -> None:
    """Who sends one unknown token after the other is no longer looked up; tokens that were used
    lately, and other addresses, are served as before."""
    ada, ben = world.login("ada"), world.login("ben")
    here = authenticator(world, calls_per_minute=0)
    here.authenticate(ada.secret, lambda: "10.0.0.1")
    for _ in range(30):
        with pytest.raises(UnauthenticatedError, match="not known"):
            here.authenticate(new_secret(), lambda: "10.0.0.1")
    with pytest.raises(RateLimitedError, match=r"from 10\.0\.0\.1"):
        here.authenticate(ben.secret, lambda: "10.0.0.1")
    assert here.authenticate(ada.secret, lambda: "10.0.0.1") == ada.caller
    assert here.authenticate(ben.secret, lambda: "10.0.0.2") == ben.caller
    world.clock.advance(SECOND_US)
    with pytest.raises(UnauthenticatedError, match="not known"):
        here.authenticate(new_secret(), lambda: "10.0.0.1")


def test_a_revoked_token_in_a_loop(world: World) -> None:
    """A program that goes on with a revoked token is slowed down like one that guesses."""
    ada = world.login("ada", grant(Role.READER))
    here = authenticator(world, calls_per_minute=0)
    name = TokenName(principal=PrincipalName(principal="ada"), token=ada.caller.token.id)
    world.tokens.revoke(ada.caller, name)
    for _ in range(30):
        with pytest.raises(TokenRevokedError):
            here.authenticate(ada.secret, lambda: "10.0.0.1")
    with pytest.raises(RateLimitedError):
        here.authenticate(ada.secret, lambda: "10.0.0.1")


@pytest.mark.parametrize(
    ("address", "party"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_parties(address: str, party: str) -> None:
    """Who changes addresses within what is theirs stays the same."""
    assert party_of(address) == party
