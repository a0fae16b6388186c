"""The rules that Hallmark has built in, until a company brings its own: four eyes on vetted bytes.

It implements `registry/ports/policy.py`. Nothing else may assume what stands here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from registry.domain.canonical import canonical_json
from registry.domain.gates import GateInput
from registry.domain.policies import Gate, GateAnswer, RuleResult
from registry.domain.promotions import Outcome
from registry.domain.versions import Verdict, Version, VersionState
from registry.names.rules import EXCLUSIVE_STAGES, HUBS, LABEL_STAGES

_DAY_US = 24 * 3600 * 1_000_000
_TTL_US = 14 * _DAY_US


@dataclass(frozen=True, kw_only=True)
class _Failure:
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """`says` is what the policy's digest is made of: change it whenever `check` changes."""

    gate: Gate
    id: str
    says: str
    check: Callable[[GateInput], _Failure | None]
    waits: bool = False


class BuiltinPolicy:
    """Stages staging and production; one approval by somebody who had no hand in the version."""

    def __init__(self) -> None:
        self._digest = _digest()

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def exclusive_stages(self) -> tuple[str, ...]:
        return EXCLUSIVE_STAGES

    @property
    def label_stages(self) -> tuple[str, ...]:
        return LABEL_STAGES

    @property
    def promotion_ttl_us(self) -> int:
        return _TTL_US

    def is_waivable(self, rule: str) -> bool:
        """No rule of its own: each keeps apart who makes a version and who lets it through."""
        return rule not in _NEVER_WAIVED

    def evaluate(self, given: GateInput) -> GateAnswer:
        results = tuple(_result(rule, given) for rule in _RULES if rule.gate is given.gate)
        # A gate that no rule speaks of stays shut.
        return GateAnswer(
            gate=given.gate,
            results=results or (_unruled(given.gate),),
            policy_digest=self._digest,
        )


def _result(rule: _Rule, given: GateInput) -> RuleResult:
    failure = rule.check(given)
    if failure is None:
        return RuleResult(rule=rule.id, passed=True)
    return RuleResult(
        rule=rule.id, passed=False, message=failure.message, fix=failure.fix, waits=rule.waits
    )


def _unruled(gate: Gate) -> RuleResult:
    return RuleResult(
        rule="UNRULED",
        passed=False,
        message=f"no rule says what may pass gate {gate.value}.",
        fix="Ask the operator for a policy that has rules for it.",
    )


def _released(given: GateInput) -> _Failure | None:
    version = given.version
    if version.state is VersionState.RELEASED:
        return None
    found = f"{version.ref} is {version.state.value.upper()}, expected RELEASED"
    show = f"hallmark version show {version.ref}"
    other = f"hallmark version list {version.model}"
    match version.state:
        case VersionState.QUARANTINED:
            return _Failure(
                message=f"{found}: vetting has not passed it.",
                fix=f"Wait for its verdict, or read what was found: {show}",
            )
        case VersionState.VETTED:
            return _Failure(
                message=f"{found}: it waits for the release gate.",
                fix=f"See what the gate waits for: {show}",
            )
        case VersionState.REJECTED:
            return _Failure(
                message=f"{found}: vetting failed it.",
                fix=f"Mend what was found and push a new version: {show}",
            )
        case VersionState.YANKED:
            return _Failure(
                message=f"{found}: it was withdrawn ({version.yank_reason}).",
                fix=f"Take another version: {other}",
            )
        case _:
            return _Failure(
                message=f"{found}: it was withdrawn for good.",
                fix=f"Take another version: {other}",
            )


def _contributors(version: Version) -> set[str]:
    return {version.registrant, *version.contributors}


def _approvers(given: GateInput) -> list[str]:
    """Whose approvals bind to these very bytes."""
    return [
        decision.decider
        for decision in given.decisions
        if decision.outcome is Outcome.APPROVE and decision.digest == given.version.digest
    ]


def _approved_by_no_contributor(given: GateInput) -> _Failure | None:
    contributors = _contributors(given.version)
    own = sorted({who for who in _approvers(given) if who in contributors})
    if not own:
        return None
    return _Failure(
        message=f"{', '.join(own)} registered {given.version.ref} or contributed to it, "
        "and so cannot approve it.",
        fix="Ask a reviewer who had no hand in it: hallmark decide PROMOTION --approve",
    )


def _approved_by_another(given: GateInput) -> _Failure | None:
    if set(_approvers(given)) - _contributors(given.version):
        return None
    return _Failure(
        message="0 of 1 required approvals by somebody who neither registered "
        f"{given.version.ref} nor contributed to it.",
        fix="Ask somebody with role reviewer or security: hallmark decide PROMOTION --approve",
    )


def _passed(given: GateInput) -> _Failure | None:
    vetting = given.version.vetting
    if vetting is not None and vetting.verdict is Verdict.PASS:
        return None
    found = "none" if vetting is None else vetting.verdict.value
    return _Failure(
        message=f"the verdict on {given.version.ref} is {found}, expected pass.",
        fix=f"Read what was found: hallmark version show {given.version.ref}",
    )


def _internal(given: GateInput) -> _Failure | None:
    if given.version.namespace not in HUBS:
        return None
    return _Failure(
        message=f"{given.version.ref} is mirrored, and nobody has decided on it.",
        fix="Ask security for a decision on the mirror.",
    )


_RULES = (
    _Rule(
        gate=Gate.PROMOTE,
        id="VETTED",
        says="The version is RELEASED.",
        check=_released,
    ),
    _Rule(
        gate=Gate.PROMOTE,
        id="SOD-1",
        says="Neither the registrant nor another contributor is among those who approved.",
        check=_approved_by_no_contributor,
    ),
    _Rule(
        gate=Gate.PROMOTE,
        id="FOUR-EYES",
        says="At least one approval of this digest by neither registrant nor contributor.",
        check=_approved_by_another,
        waits=True,
    ),
    _Rule(
        gate=Gate.RELEASE,
        id="VERDICT",
        says="The verdict of vetting is pass.",
        check=_passed,
    ),
    _Rule(
        gate=Gate.RELEASE,
        id="MIRROR",
        says="The model is internal, or its mirror was decided on.",
        check=_internal,
        waits=True,
    ),
)

_NEVER_WAIVED = frozenset({"UNRULED", *(rule.id for rule in _RULES)})


def _digest() -> str:
    content = {
        "schema": "hallmark.builtin-policy.v1",
        "exclusive_stages": list(EXCLUSIVE_STAGES),
        "label_stages": list(LABEL_STAGES),
        "promotion_ttl_us": _TTL_US,
        "rules": [
            {"gate": rule.gate.value, "id": rule.id, "says": rule.says, "waits": rule.waits}
            for rule in _RULES
        ],
    }
    return f"sha256:{hashlib.sha256(canonical_json(content)).hexdigest()}"
