"""Gates: put a question to the policy, and its refusal into words."""

from __future__ import annotations

import dataclasses
import hashlib
import re

from registry.domain.access import Caller
from registry.domain.canonical import canonical_json
from registry.domain.events import SYSTEM
from registry.domain.gates import UNNUMBERED, Facts, GateInput, GrantedWaiver, ModelFacts
from registry.domain.models import Model
from registry.domain.policies import Gate, GateAnswer, Requirement, results_value
from registry.domain.policy_sets import GateRecord
from registry.domain.promotions import Outcome, Promotion, StagePeriod
from registry.domain.versions import Version
from registry.domain.waivers import Waiver
from registry.errors import PolicyRefusedError, PreconditionViolation
from registry.ports.database import Transaction
from registry.ports.policy import Policy
from registry.services.facts import VersionFacts
from registry.services.standing import rules_of
from registry.services.telling import shown_to, told, within

#: What decides on a request that has no number yet.
_NUMBERLESS = re.compile(rf"hallmark [a-z ]*\b{UNNUMBERED}\b[^;.]*")
#: A policy sees a version's newest evaluations; no version has more.
_EVALUATIONS_MAX = 1000
_NO_FACTS = Facts()


def asked_by(
    caller: Caller,
    gate: Gate,
    version: Version | None,
    namespace: str,
    *,
    now_us: int,
    facts: Facts = _NO_FACTS,
) -> GateInput:
    """A question by somebody, to be completed."""
    return GateInput(
        gate=gate,
        version=version,
        now_us=now_us,
        actor=caller.principal.name,
        actor_kind=caller.principal.kind.value,
        actor_groups=caller.groups,
        actor_roles=tuple(sorted(role.value for role in caller.roles_on(namespace))),
        facts=facts,
    )


def may_enter(
    tx: Transaction,
    policy: Policy,
    facts: VersionFacts,
    caller: Caller,
    promotion: Promotion,
    version: Version,
    current: StagePeriod | None,
    *,
    now_us: int,
) -> GateAnswer:
    """The policy's answer, on what holds now; PolicyRefusedError where no decision can help."""
    answer = ask_promote(tx, policy, facts, caller, promotion, version, current, now_us=now_us)
    if answer.refusals:
        shown = told(policy, answer, shown_to(caller))
        if not promotion.number:
            shown = before_request(shown, version, promotion.stage)
        raise refused(shown, f"{version.ref} -> {promotion.stage}")
    return answer


def before_request(answer: GateAnswer, version: Version, stage: str) -> GateAnswer:
    """The answer, where nothing was asked for yet: its mends then begin with asking."""
    ask = f"hallmark promote {version.ref} {stage}"
    results = tuple(
        dataclasses.replace(
            each,
            fix=_NUMBERLESS.sub(ask, each.fix),
            bound={name: value for name, value in each.bound.items() if value != UNNUMBERED},
        )
        for each in answer.results
    )
    return dataclasses.replace(answer, results=results)


def ask_promote(
    tx: Transaction,
    policy: Policy,
    facts: VersionFacts,
    caller: Caller,
    promotion: Promotion,
    version: Version,
    current: StagePeriod | None,
    *,
    now_us: int,
) -> GateAnswer:
    """What the gate promote says, refusals too."""
    inside = tx.versions.by_key(current.version_key) if current else None
    asked = asked_by(caller, Gate.PROMOTE, version, version.namespace, now_us=now_us)
    return policy.evaluate(
        dataclasses.replace(
            asked,
            stage=promotion.stage,
            requester=promotion.requester,
            promotion=promotion.number,
            note=promotion.note,
            break_glass=promotion.break_glass,
            waivers=waivers_for(tx, policy, Gate.PROMOTE, version, promotion.stage, now_us=now_us),
            decisions=tuple(d for d in promotion.decisions if d.outcome is Outcome.APPROVE),
            current=inside,
            evaluations=tuple(tx.versions.evaluations(version.key, None, _EVALUATIONS_MAX)),
            current_evaluations=()
            if inside is None
            else tuple(tx.versions.evaluations(inside.key, None, _EVALUATIONS_MAX)),
            facts=facts.of(tx, version),
            current_facts=Facts() if inside is None else facts.of(tx, inside),
        )
    )


def waiting_for(policy: Policy, answer: GateAnswer, version: Version) -> tuple[Requirement, ...]:
    """What further decisions could satisfy, in words for all who may read the promotion."""
    return told(policy, answer, within(version.model)).waiting


def ask_release(
    tx: Transaction, policy: Policy, version: Version, facts: Facts, *, now_us: int
) -> GateAnswer:
    """What the gate release says to a version that vetting passed."""
    return policy.evaluate(
        GateInput(
            gate=Gate.RELEASE,
            version=version,
            now_us=now_us,
            actor=SYSTEM,
            facts=facts,
            waivers=waivers_for(tx, policy, Gate.RELEASE, version, now_us=now_us),
        )
    )


def waivers_for(
    tx: Transaction,
    policy: Policy,
    gate: Gate,
    version: Version,
    stage: str = "",
    *,
    now_us: int,
) -> tuple[GrantedWaiver, ...]:
    """What is in force for a version, for the stage or, at gates without one, for all.

    A version that is not made yet has the waivers of its model. Of these, which may be older than
    any version, only where neither a contributor made a token of whoever granted it, nor the other
    way round.
    """
    if not policy.reads_waivers(gate):
        return ()
    rules = rules_of(version)
    live = tx.waivers.live(version, stage, now_us)
    found = [waiver for waiver in live if waiver.stands(policy.digest, rules)]
    if any(waiver.version_key is None for waiver in found):
        hands = {version.registrant, *version.contributors}
        found = [w for w in found if w.version_key is not None or _is_apart(tx, w, hands)]
    return tuple(map(_granted, found))


def _is_apart(tx: Transaction, waiver: Waiver, hands: set[str]) -> bool:
    decider = "" if waiver.decision is None else waiver.decision.decider
    return f"principals/{decider}" not in tx.tokens.makers(hands) and not (
        tx.tokens.makers([decider]) & {f"principals/{hand}" for hand in hands}
    )


def _granted(waiver: Waiver) -> GrantedWaiver:
    return GrantedWaiver(
        id=waiver.name,
        rule=waiver.rule,
        owner=waiver.requester,
        reason=waiver.reason,
        until_us=waiver.expire_time_us,
    )


def keep_record(
    tx: Transaction, promotion: Promotion, answer: GateAnswer, *, decider: str, now_us: int
) -> None:
    """Keep what the policy was shown and what it said, for whoever asks why later."""
    document = canonical_json(dict(answer.document), field="gate document")
    tx.policies.record(
        GateRecord(
            promotion=promotion.number,
            decider=decider,
            input_sha256=hashlib.sha256(document).hexdigest(),
            policy_digest=answer.policy_digest,
            results_json=canonical_json(results_value(answer.results)).decode(),
            create_time_us=now_us,
        ),
        document,
    )


def require_fetch(
    tx: Transaction,
    policy: Policy,
    facts: VersionFacts,
    caller: Caller,
    version: Version,
    *,
    by_digest: bool,
    triton: str,
    now_us: int,
) -> None:
    """Raise PolicyRefusedError unless the gate fetch lets the version's bytes leave."""
    answer = ask_fetch(
        tx, policy, facts, caller, version, by_digest=by_digest, triton=triton, now_us=now_us
    )
    require(policy, answer, caller, version.ref)


def ask_fetch(
    tx: Transaction,
    policy: Policy,
    facts: VersionFacts,
    caller: Caller,
    version: Version,
    *,
    by_digest: bool,
    triton: str,
    now_us: int,
) -> GateAnswer:
    """What the gate fetch says, refusals too."""
    asked = asked_by(caller, Gate.FETCH, version, version.namespace, now_us=now_us)
    return policy.evaluate(
        dataclasses.replace(
            asked,
            by_digest=by_digest,
            triton=triton,
            facts=facts.of(tx, version),
            waivers=waivers_for(tx, policy, Gate.FETCH, version, now_us=now_us),
        )
    )


def require_delete(policy: Policy, caller: Caller, model: Model, *, now_us: int) -> None:
    """Raise PolicyRefusedError unless the gate delete lets the model go."""
    asked = asked_by(caller, Gate.DELETE, None, model.namespace, now_us=now_us)
    answer = policy.evaluate(
        dataclasses.replace(
            asked,
            model=ModelFacts(
                name=model.path,
                namespace=model.namespace,
                latest_version=model.latest_version,
                stages=tuple(sorted(stage for stage, _ in model.stages)),
            ),
        )
    )
    require(policy, answer, caller, model.path)


def require(policy: Policy, answer: GateAnswer, caller: Caller, subject: str) -> None:
    """Raise PolicyRefusedError unless every rule passed."""
    if not answer.allowed:
        raise refused(told(policy, answer, shown_to(caller)), subject)


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
        bound="; ".join(f"{r.rule}: {k} = {v}" for r in failed for k, v in r.bound.items()),
        waiting=", ".join(r.rule for r in failed if r.waits),
        violations=tuple(
            PreconditionViolation(type=r.rule, subject=subject, description=r.message, fix=r.fix)
            for r in failed
        ),
    )
