"""The built-in rules, on plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.builtin_policy import BuiltinPolicy
from registry.domain.gates import GateInput
from registry.domain.policies import Gate, GateAnswer
from registry.domain.promotions import Decision, Outcome
from registry.domain.versions import (
    Card,
    Verdict,
    Version,
    VersionSpec,
    VersionState,
    Vetting,
)

POLICY = BuiltinPolicy()
VERSION = Version(
    key=1,
    uid="u",
    model_key=1,
    model="fraud/scorer",
    namespace="fraud",
    number=7,
    digest="sha256:" + "7" * 64,
    commit="c" * 40,
    state=VersionState.RELEASED,
    registrant="alice",
    create_time_us=0,
    spec=VersionSpec(),
    card=Card(),
    file_count=1,
    size_bytes=1,
    vetting=Vetting(verdict=Verdict.PASS, findings=(), rules_digest="r", time_us=0),
    yank_reason="",
    yanked_from=None,
    contributors=("alice", "ann"),
)


def approval(decider: str, digest: str = VERSION.digest) -> Decision:
    return Decision(
        outcome=Outcome.APPROVE,
        decider=decider,
        roles=("reviewer",),
        digest=digest,
        policy_digest="p",
        comment="",
        create_time_us=0,
    )


def promote(*decisions: Decision, version: Version = VERSION) -> GateAnswer:
    return POLICY.evaluate(
        GateInput(
            gate=Gate.PROMOTE,
            version=version,
            now_us=0,
            actor="principals/alice",
            stage="production",
            requester="alice",
            decisions=decisions,
        )
    )


def test_waits_for_four_eyes() -> None:
    """A released version without a decision waits for one, and nothing refuses it."""
    answer = promote()
    assert [r.rule for r in answer.waiting] == ["FOUR-EYES"]
    assert answer.refusals == ()


def test_passes_with_another_approval() -> None:
    """One approval by somebody who had no hand in the version satisfies every rule."""
    assert promote(approval("bob")).allowed


@pytest.mark.parametrize("contributor", ["alice", "ann"])
def test_contributors_do_not_approve(contributor: str) -> None:
    """A contributor's approval is refused, even beside an independent one."""
    assert [r.rule for r in promote(approval(contributor)).refusals] == ["SOD-1"]
    assert [r.rule for r in promote(approval("bob"), approval(contributor)).refusals] == ["SOD-1"]


def test_registrant_counts_without_being_listed() -> None:
    """The registrant cannot approve, whatever the list of contributors says."""
    answer = promote(approval("alice"), version=replace(VERSION, contributors=()))
    assert [r.rule for r in answer.refusals] == ["SOD-1"]


def test_approvals_bind_to_the_digest() -> None:
    """An approval of another digest counts for nothing."""
    assert not promote(approval("bob", digest="sha256:" + "0" * 64)).allowed


@pytest.mark.parametrize("state", [s for s in VersionState if s is not VersionState.RELEASED])
def test_only_released_versions(state: VersionState) -> None:
    """A version in any other state is refused, with its state and what to do."""
    answer = promote(approval("bob"), version=replace(VERSION, state=state))
    (refusal,) = answer.refusals
    assert refusal.rule == "VETTED"
    assert state.value.upper() in refusal.message
    assert "hallmark version" in refusal.fix


def release(version: Version) -> GateAnswer:
    return POLICY.evaluate(GateInput(gate=Gate.RELEASE, version=version, now_us=0, actor="system"))


def test_internal_versions_are_released() -> None:
    """An internal version with a passing verdict passes the release gate."""
    assert release(VERSION).allowed


def test_mirrored_versions_wait() -> None:
    """A mirrored version waits for a decision."""
    answer = release(replace(VERSION, namespace="huggingface"))
    assert [r.rule for r in answer.waiting] == ["MIRROR"]


def test_no_release_without_a_pass() -> None:
    """A version whose verdict is not pass is not released."""
    vetting = Vetting(verdict=Verdict.UNKNOWN, findings=(), rules_digest="r", time_us=0)
    assert not release(replace(VERSION, vetting=vetting)).allowed
    assert not release(replace(VERSION, vetting=None)).allowed


@pytest.mark.parametrize("gate", [Gate.REGISTER, Gate.FETCH, Gate.DELETE])
def test_gates_without_rules_stay_shut(gate: Gate) -> None:
    """A gate that no rule speaks of lets nothing pass."""
    answer = POLICY.evaluate(GateInput(gate=gate, version=VERSION, now_us=0, actor="system"))
    assert not answer.allowed


def test_digest_is_stable() -> None:
    """Two instances have one digest, and it is in every answer."""
    assert BuiltinPolicy().digest == POLICY.digest == promote().policy_digest
    assert POLICY.digest.startswith("sha256:")


@given(
    st.lists(st.sampled_from(["alice", "ann", "bob", "ben", "sam"]), max_size=6),
    st.sampled_from(VersionState),
)
def test_law_four_eyes(deciders: list[str], state: VersionState) -> None:
    """Whatever the decisions: nothing passes without an independent approval, and nothing passes
    with a contributor's."""
    answer = promote(*(approval(who) for who in deciders), version=replace(VERSION, state=state))
    independent = set(deciders) - {"alice", "ann"}
    own = set(deciders) & {"alice", "ann"}
    assert answer.allowed == (bool(independent) and not own and state is VersionState.RELEASED)
