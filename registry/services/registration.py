"""The gate register: may these files become a version of the model?

It is asked before the unit of work, since others wait while one is done; within, it is only asked
again where another policy set has become active meanwhile.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from registry.domain.access import Caller
from registry.domain.gates import Facts, GateInput, GrantedWaiver
from registry.domain.policies import Gate, GateAnswer
from registry.domain.versions import Card, Version, VersionSpec, VersionState
from registry.names import ModelName, VersionName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy, PolicySets
from registry.services.facts import VersionFacts, licenses_above
from registry.services.gates import asked_by, require, waivers_for


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that is not made yet: no number, no commit."""

    model: ModelName
    digest: str
    spec: VersionSpec
    card: Card
    file_count: int
    size_bytes: int
    facts: Facts


class RegisterGate:
    def __init__(
        self, *, database: Database, clock: Clock, policies: PolicySets, facts: VersionFacts
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self.facts = facts

    def ask(self, caller: Caller, candidate: Candidate, bases: Sequence[VersionName]) -> Question:
        """What `require` needs to judge the candidate within the unit of work."""
        policy = self._policies.recent()
        licenses = self._database.read(lambda tx: _licenses(tx, bases)) if bases else ()
        facts = candidate.facts
        if licenses:
            facts = dataclasses.replace(facts, base_licenses=licenses)
        now = self._clock.now_us()
        version = _draft(caller, candidate, now)
        asked = asked_by(caller, Gate.REGISTER, version, version.namespace, now_us=now, facts=facts)
        if policy.reads_waivers(Gate.REGISTER):
            waivers = self._database.read(lambda tx: _waivers(tx, policy, version, now))
            asked = dataclasses.replace(asked, waivers=waivers)
        return Question(asked, policy.evaluate(asked))

    def require(self, tx: Transaction, question: Question, *, active: str = "") -> None:
        """Raise PolicyRefusedError unless the active set lets the candidate pass; `active` is its
        digest where that is known."""
        answer = question.answer
        if answer.policy_digest != (active or tx.policies.active()):
            answer = self._policies.active(tx).evaluate(question.asked)
        version = question.asked.version
        assert version is not None
        require(answer, version.model)


@dataclasses.dataclass(frozen=True)
class Question:
    """Put to the set that was active lately, with its answer."""

    asked: GateInput
    answer: GateAnswer


def _waivers(
    tx: Transaction, policy: Policy, version: Version, now_us: int
) -> tuple[GrantedWaiver, ...]:
    """Of the model. One that is not there is refused later on."""
    model = tx.models.get(version.model)
    if model is None:
        return ()
    of_model = dataclasses.replace(version, model_key=model.key)
    return waivers_for(tx, policy, Gate.REGISTER, of_model, now_us=now_us)


def _licenses(tx: Transaction, bases: Sequence[VersionName]) -> tuple[str, ...]:
    """Of the bases and all above them. A base that is not there is refused later on."""
    found = [tx.versions.get(name.model.path, name.number) for name in bases]
    versions = [version for version in found if version is not None]
    own = {version.card.license for version in versions}
    return tuple(sorted(own.union(licenses_above(tx, [v.key for v in versions]))))


def _draft(caller: Caller, candidate: Candidate, now_us: int) -> Version:
    return Version(
        key=0,
        uid="",
        model_key=0,
        model=candidate.model.path,
        namespace=candidate.model.namespace,
        number=0,
        digest=candidate.digest,
        commit="",
        state=VersionState.QUARANTINED,
        registrant=caller.id,
        create_time_us=now_us,
        spec=candidate.spec,
        card=candidate.card,
        file_count=candidate.file_count,
        size_bytes=candidate.size_bytes,
        vetting=None,
        yank_reason="",
        yanked_from=None,
        contributors=(caller.id,),
    )
