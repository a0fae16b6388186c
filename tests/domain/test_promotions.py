"""Promotions: which decisions count."""

from __future__ import annotations

import pytest

from registry.domain.promotions import Decision, Outcome, counts

DIGEST, POLICY, RULES = "sha256:0", "sha256:1", "sha256:2"


def word(expire_time_us: int | None = None) -> Decision:
    return Decision(
        outcome=Outcome.APPROVE,
        decider="bob",
        roles=("reviewer",),
        digest=DIGEST,
        policy_digest=POLICY,
        rules_digest=RULES,
        comment="",
        expire_time_us=expire_time_us,
        create_time_us=1,
    )


def holds(
    decision: Decision,
    now_us: int,
    *,
    digest: str = DIGEST,
    policy: str = POLICY,
    rules: str = RULES,
) -> bool:
    return counts(
        decision,
        digest=digest,
        policy_digest=policy,
        rules_digest=rules,
        now_us=now_us,
        validity_us=100,
    )


def test_a_word_holds_until_its_time() -> None:
    """Up to its own time, or to that which all words have, and not at it."""
    assert [holds(word(10), now_us) for now_us in (9, 10)] == [True, False]
    assert [holds(word(), now_us) for now_us in (100, 101)] == [True, False]
    assert [holds(word(2**62), now_us) for now_us in (100, 101)] == [True, False]


@pytest.mark.parametrize("changed", ["digest", "policy", "rules"])
def test_a_word_is_bound_to_what_it_was_said_of(changed: str) -> None:
    """Other bytes, another policy or another verdict end it."""
    assert holds(word(), 2)
    assert not holds(word(), 2, **{changed: "sha256:9"})
