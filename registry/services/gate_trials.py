"""Trying a gate: what it would say to a version now, with nothing changed."""

from __future__ import annotations

import dataclasses

from registry.domain.access import Action, Caller
from registry.domain.policies import Gate, GateAnswer
from registry.domain.promotions import Promotion, PromotionState
from registry.domain.versions import Version, VersionState
from registry.errors import InvalidFieldError
from registry.names import VersionName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.facts import VersionFacts
from registry.services.gates import ask_promote, asked_by, before_request, waivers_for
from registry.services.lookups import version_of
from registry.services.stages import check_stage_of

#: Those that ask about a version. What they are shown of it, where it is past that gate already.
_STATES = {
    Gate.REGISTER: VersionState.QUARANTINED,
    Gate.RELEASE: VersionState.VETTED,
    Gate.PROMOTE: None,
    Gate.FETCH: None,
}


class GateTrials:
    def __init__(
        self, *, database: Database, clock: Clock, policies: PolicySets, facts: VersionFacts
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._facts = facts

    def evaluate(self, caller: Caller, name: VersionName, gate: str, stage: str) -> GateAnswer:
        """Every rule's answer under the active set. At promote, without any decision."""
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        asked = _gate_of(gate)
        if asked is Gate.PROMOTE:
            check_stage_of(self._policies.recent(), stage)

        def fn(tx: Transaction) -> GateAnswer:
            version = version_of(tx, name)
            if asked is Gate.PROMOTE:
                return self._promote(tx, caller, version, stage)
            policy = self._policies.active(tx)
            now = self._clock.now_us()
            state = _STATES[asked]
            given = asked_by(
                caller,
                asked,
                version if state is None else dataclasses.replace(version, state=state),
                version.namespace,
                now_us=now,
                facts=self._facts.of(tx, version),
            )
            waivers = waivers_for(tx, policy, asked, version, now_us=now)
            return policy.evaluate(dataclasses.replace(given, waivers=waivers))

        return self._database.snapshot(fn)

    def _promote(self, tx: Transaction, caller: Caller, version: Version, stage: str) -> GateAnswer:
        now = self._clock.now_us()
        current = tx.stages.current(version.model, stage)
        asked = Promotion(
            number=0,
            model_key=version.model_key,
            version_key=version.key,
            model=version.model,
            namespace=version.namespace,
            version_number=version.number,
            digest=version.digest,
            stage=stage,
            state=PromotionState.PENDING,
            requester=caller.id,
            note="",
            decisions=(),
            waiting=(),
            previous_number=current.version_number if current else None,
            expected_current=0,
            create_time_us=now,
            expire_time_us=now,
            end_time_us=None,
        )
        policy = self._policies.active(tx)
        answer = ask_promote(tx, policy, self._facts, caller, asked, version, current, now_us=now)
        return before_request(answer, version, stage)


def _gate_of(text: str) -> Gate:
    found = next((gate for gate in _STATES if gate.value == text), None)
    if found is None:
        raise InvalidFieldError(
            field="gate",
            found=show(text) if text else "nothing",
            expected=f"one of {', '.join(gate.value for gate in _STATES)}",
            fix="Name one of these.",
        )
    return found
