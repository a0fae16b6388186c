"""What it costs to ask a gate: CPU time, with the answer checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.report import Bound, Row
from registry.domain.canonical import canonical_json
from registry.domain.gate_documents import document_of
from registry.domain.gates import Facts, GateInput
from registry.domain.policies import Gate
from registry.domain.promotions import Decision, Outcome
from registry.domain.versions import Card, Verdict, Version, VersionSpec, VersionState, Vetting
from registry.policies.evaluator import CompiledPolicy
from registry.policies.google import GoogleEngine
from registry.policies.loader import load, read_folder
from registry.shipped import shipped_folder

CALLS = 500
DECISIONS = 5

_VERSION = Version(
    key=7,
    uid="",
    model_key=1,
    model="huggingface/acme/summarizer",
    namespace="huggingface",
    number=7,
    digest="sha256:" + "7" * 64,
    commit="7" * 40,
    state=VersionState.RELEASED,
    registrant="alice",
    create_time_us=0,
    spec=VersionSpec(),
    card=Card(metadata_json='{"license":"llama3.1","tags":["text"]}', license="llama3.1"),
    file_count=3,
    size_bytes=1_000_000,
    vetting=Vetting(verdict=Verdict.PASS, findings=(), rules_digest="r", time_us=0),
    yank_reason="",
    yanked_from=None,
    contributors=("alice", "ann"),
)


def measure(*, rounds: int, seconds: float, calls: int = CALLS) -> Iterator[Row | Bound]:
    """Each figure is the best of `rounds` of so many calls, since others share the machine;
    `seconds` says nothing here."""
    policy = load(read_folder(shipped_folder()), GoogleEngine()).policy
    promote = _promotion(policy)
    answer = policy.evaluate(promote)
    assert answer.allowed, answer
    assert len(answer.results) == 12
    bound = partial(_bound, rounds=rounds, calls=calls)
    yield bound("promotion check, 12 rules, 5 decisions", lambda: policy.evaluate(promote))
    settings = policy.policy_set.settings
    make = _made(promote, settings, policy)
    yield bound("  of it making the document", make)
    yield bound("  keeping it: canonical JSON", lambda: canonical_json(dict(answer.document)))
    for gate in (Gate.REGISTER, Gate.RELEASE, Gate.FETCH):
        asked = replace(
            promote, gate=gate, decisions=(), version=replace(_VERSION, namespace="fraud")
        )
        assert policy.evaluate(asked).allowed
        yield bound(f"gate {gate.value}", _asking(policy, asked))


def _promotion(policy: CompiledPolicy) -> GateInput:
    decisions = tuple(
        Decision(
            outcome=Outcome.APPROVE,
            decider=f"reviewer-{number}",
            decider_uid=f"uid-{number}",
            roles=("reviewer",),
            groups=("ml", "security"),
            digest=_VERSION.digest,
            policy_digest=policy.digest,
            rules_digest="r",
            comment="",
            create_time_us=0,
        )
        for number in range(DECISIONS)
    )
    return GateInput(
        gate=Gate.PROMOTE,
        version=_VERSION,
        now_us=1,
        actor="principals/reviewer-4",
        actor_kind="person",
        stage="production",
        requester="alice",
        promotion=42,
        decisions=decisions,
        current=replace(_VERSION, number=6),
        facts=Facts(formats=("safetensors",), largest_file_bytes=1_000_000),
    )


def _made(
    asked: GateInput, settings: Any, policy: CompiledPolicy
) -> Callable[[], dict[str, object]]:
    return lambda: dict(document_of(asked, settings, policy_digest=policy.digest))


def _asking(policy: CompiledPolicy, asked: GateInput) -> Callable[[], object]:
    return lambda: policy.evaluate(asked)


def _bound(what: str, call: Callable[[], object], *, rounds: int, calls: int) -> Bound:
    return Bound(what=what, unit="us", value=_us(call, rounds, calls), most=1000.0)


def _us(call: Callable[[], object], rounds: int, calls: int) -> float:
    """CPU time of one call."""
    call()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            call()
        taken.append((time.process_time() - start) / calls * 1e6)
    return min(taken)
