"""Promotions: which decisions count."""

from __future__ import annotations

from registry.domain.promotions import Decision, Outcome, counted


def word(outcome: Outcome, expire_time_us: int | None = None) -> Decision:
    return Decision(
        outcome=outcome,
        decider="bob",
        roles=("reviewer",),
        digest="sha256:0",
        policy_digest="sha256:1",
        comment="",
        expire_time_us=expire_time_us,
        create_time_us=1,
    )


def test_an_approval_counts_until_its_time() -> None:
    """An approval counts up to its time and not at it; one without a time counts for ever."""
    ever, short = word(Outcome.APPROVE), word(Outcome.APPROVE, 10)
    assert counted((ever, short), 9) == (ever, short)
    assert counted((ever, short), 10) == (ever,)
    assert counted((ever, short), 2**62) == (ever,)


def test_rejections_do_not_count() -> None:
    """Only approvals are counted."""
    assert counted((word(Outcome.REJECT), word(Outcome.REJECT, 10)), 0) == ()
