"""Gates: put a question to the policy, and its refusal into words."""

from __future__ import annotations

from registry.domain.access import Caller
from registry.domain.gates import GateInput
from registry.domain.policies import Gate, GateAnswer
from registry.domain.promotions import Promotion, StagePeriod, counted
from registry.domain.versions import Version
from registry.errors import PolicyRefusedError, PreconditionViolation
from registry.ports.database import Transaction
from registry.ports.policy import Policy

#: A policy sees a version's newest evaluations; no version has more.
_EVALUATIONS_MAX = 1000


def may_enter(
    tx: Transaction,
    policy: Policy,
    caller: Caller,
    promotion: Promotion,
    version: Version,
    current: StagePeriod | None,
    *,
    now_us: int,
) -> GateAnswer:
    """The policy's answer, on what holds now; PolicyRefusedError where no decision can help."""
    answer = policy.evaluate(
        GateInput(
            gate=Gate.PROMOTE,
            version=version,
            now_us=now_us,
            actor=caller.principal.name,
            stage=promotion.stage,
            requester=promotion.requester,
            decisions=counted(promotion.decisions, now_us),
            current=tx.versions.by_key(current.version_key) if current else None,
            evaluations=tuple(tx.versions.evaluations(version.key, None, _EVALUATIONS_MAX)),
        )
    )
    if answer.refusals:
        raise refused(answer, f"{version.ref} -> {promotion.stage}")
    return answer


def refused(answer: GateAnswer, subject: str) -> PolicyRefusedError:
    """Every failed rule with its mend; those that only wait for decisions come last."""
    failed = sorted((r for r in answer.results if not r.passed), key=lambda r: r.waits)
    return PolicyRefusedError(
        gate=answer.gate.value,
        subject=subject,
        failed=len(failed),
        total=len(answer.results),
        # In brackets, so that nothing sticks to a command that is copied.
        summary="; ".join(f"{r.rule}: {r.message} ({r.fix})" for r in failed) + ".",
        policy_digest=answer.policy_digest,
        violations=tuple(
            PreconditionViolation(type=r.rule, subject=subject, description=r.message, fix=r.fix)
            for r in failed
        ),
    )
