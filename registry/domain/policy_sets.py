"""Policy sets: the rules of every gate with their settings, as one value with one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from registry.domain.canonical import canonical_json, load_canonical
from registry.domain.policies import Gate

SCHEMA = "hallmark.policy-set.v1"
#: A proposal waits for a second person so long.
PROPOSAL_TTL_US = 14 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`when`, `require` and the placeholders in `message` and `fix` are CEL expressions."""

    id: str
    require: str
    message: str
    fix: str
    when: str = ""
    #: Decisions may satisfy it: a request waits instead of being refused.
    waits: bool = False
    waivable: bool = False


@dataclass(frozen=True, kw_only=True)
class GateRules:
    gate: Gate
    #: Names for expressions, in order; each may use those before it.
    lets: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class PolicySet:
    settings: Mapping[str, Any]
    #: One a gate, in the order of `Gate`.
    gates: tuple[GateRules, ...]

    def content(self) -> bytes:
        """Canonical JSON of what decides. Comments and examples are not in it."""
        return canonical_json(
            {
                "schema": SCHEMA,
                "settings": dict(self.settings),
                "gates": {each.gate.value: _gate_value(each) for each in self.gates},
            },
            field="policy set",
        )

    @property
    def digest(self) -> str:
        return digest_of(self.content())


@dataclass(frozen=True, kw_only=True)
class Example:
    """A case in a policy file, with what the gate has to answer."""

    gate: Gate
    name: str
    #: Name of the document that it changes, and the changes: those of the file, then its own.
    base: str
    given: tuple[Mapping[str, Any], ...]
    #: Ids of exactly those rules that fail; none: it is accepted.
    refused: tuple[str, ...]
    line: int


class ChangeState(StrEnum):
    PENDING = "pending"
    ACTIVATED = "activated"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """A proposal to activate another set, and what became of it."""

    #: 0 before it is stored.
    number: int
    #: The set that is to be active, and the one that was at the proposal.
    digest: str
    base_digest: str
    state: ChangeState
    proposer: str
    proposer_uid: str
    #: Who made the token that it was proposed with.
    token_creator: str
    note: str
    #: Empty while PENDING, for a withdrawal and for what ran out of time.
    decider: str
    comment: str
    create_time_us: int
    end_time_us: int | None

    @property
    def name(self) -> str:
        return f"policyChanges/{self.number}"

    @property
    def expire_time_us(self) -> int:
        """When it ends undecided."""
        return self.create_time_us + PROPOSAL_TTL_US

    def state_at(self, now_us: int) -> ChangeState:
        """The state at a moment: time ends a proposal whether or not anybody looks."""
        if self.state is ChangeState.PENDING and now_us >= self.expire_time_us:
            return ChangeState.EXPIRED
        return self.state


@dataclass(frozen=True, kw_only=True)
class GateRecord:
    """What a gate was shown and what it answered, at a request or a decision."""

    promotion: int
    #: Whose decision; "" for the request itself.
    decider: str
    #: sha256 of the document, by which it is kept.
    input_sha256: str
    policy_digest: str
    #: Canonical JSON of the results.
    results_json: str
    create_time_us: int


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def set_of(content: bytes) -> PolicySet:
    """The set that `PolicySet.content` wrote."""
    value: Any = load_canonical(content, field="policy set")
    gates = tuple(
        _gate_of(Gate(name), value["gates"][name]) for name in Gate if name in value["gates"]
    )
    return PolicySet(settings=value["settings"], gates=gates)


def _gate_value(gate: GateRules) -> dict[str, object]:
    return {
        "lets": [[name, expression] for name, expression in gate.lets],
        "rules": [_rule_value(rule) for rule in gate.rules],
    }


def _rule_value(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "when": rule.when,
        "require": rule.require,
        "message": rule.message,
        "fix": rule.fix,
        "waits": rule.waits,
        "waivable": rule.waivable,
    }


def _gate_of(gate: Gate, value: Mapping[str, Any]) -> GateRules:
    return GateRules(
        gate=gate,
        lets=tuple((name, expression) for name, expression in value["lets"]),
        rules=tuple(Rule(**rule) for rule in value["rules"]),
    )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that two sets have differently; "" where one of them lacks it."""

    place: str
    before: str
    after: str


def differences(before: PolicySet, after: PolicySet) -> tuple[Difference, ...]:
    """Settings, lets and rules that differ, by place."""
    old, new = _places(before), _places(after)
    return tuple(
        Difference(place=place, before=old.get(place, ""), after=new.get(place, ""))
        for place in [*new, *(place for place in old if place not in new)]
        if old.get(place) != new.get(place)
    )


def _places(policy: PolicySet) -> dict[str, str]:
    found = {
        f"settings.{key}": canonical_json(value).decode() for key, value in policy.settings.items()
    }
    for gate in policy.gates:
        for place, (name, expression) in enumerate(gate.lets):
            found[f"{gate.gate.value} let {name}"] = f"{place}: {expression}"
        for rule in gate.rules:
            for key, value in _rule_value(rule).items():
                if key != "id" and value not in ("", False):
                    shown = "true" if value is True else str(value)
                    found[f"{gate.gate.value} {rule.id} {key}"] = shown
    return found
