"""Decisions as messages, for every noun that is decided on."""

from __future__ import annotations

from registry.api.convert import EnumCodec, timestamp
from registry.domain.promotions import Decision, Outcome
from registry.v1 import decisions_pb2

OUTCOMES = EnumCodec(decisions_pb2.DecisionOutcome, "DECISION_OUTCOME", Outcome)


def decision_to_proto(decision: Decision) -> decisions_pb2.Decision:
    return decisions_pb2.Decision(
        outcome=OUTCOMES.to_proto(decision.outcome),
        decider=f"principals/{decision.decider}",
        roles=decision.roles,
        groups=decision.groups,
        digest=decision.digest,
        policy_digest=decision.policy_digest,
        comment=decision.comment,
        conditions=decision.conditions,
        expire_time=timestamp(decision.expire_time_us),
        create_time=timestamp(decision.create_time_us),
    )
