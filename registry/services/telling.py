"""What a gate's answer tells, and to whom.

A gate judges by the licenses of everything above a version, also of what its caller may not read.
So that no rule's words tell of these, whatever rules somebody writes, the words are those that the
rule finds on a document without them; of the whole one only whether it passed is told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from registry.domain.access import Action, Caller
from registry.domain.gate_documents import shown_where
from registry.domain.policies import Gate, GateAnswer, RuleResult
from registry.domain.scopes import model_in
from registry.ports.policy import Policy
from registry.services.specs import may_read

IsShown = Callable[[str], bool]


def shown_to(caller: Caller) -> IsShown:
    """Whether versions of this name may be read by the caller; "" stands for no one knows which."""
    return lambda name: (
        may_read(caller, name) if name else caller.may_everywhere(Action.VERSION_READ)
    )


def within(model: str) -> IsShown:
    """What everybody may know who may read this model, and perhaps nothing else."""
    return lambda name: model_in(name) == model


def told(policy: Policy, answer: GateAnswer, is_shown: IsShown) -> GateAnswer:
    """The answer in words that tell of no version but those shown. Its document stays whole."""
    results = told_results(policy, answer.gate, answer.document, answer.results, is_shown)
    return dataclasses.replace(answer, results=results)


def told_results(
    policy: Policy,
    gate: Gate,
    document: Mapping[str, Any],
    results: tuple[RuleResult, ...],
    is_shown: IsShown,
) -> tuple[RuleResult, ...]:
    """Results on a document, each as passed or failed as it is, in words as for `told`."""
    seen = shown_where(document, is_shown)
    if seen is document:
        return results
    worded = {each.rule: each for each in policy.replay(gate, seen)}
    return tuple(_worded(each, worded.get(each.rule), document) for each in results)


def _worded(result: RuleResult, seen: RuleResult | None, document: Mapping[str, Any]) -> RuleResult:
    if not result.message:
        return result
    if seen is not None and seen.message:
        return dataclasses.replace(result, message=seen.message, fix=seen.fix, bound=seen.bound)
    ref = document["version"]["ref"]
    return dataclasses.replace(
        result,
        message=f"something that {ref} was made from, and that not everybody may read, "
        "stands against it.",
        fix=f"Ask somebody who may read all of it: hallmark lineage {ref}",
        bound={},
    )
