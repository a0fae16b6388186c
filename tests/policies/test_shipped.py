"""The rules that come with Hallmark: their examples, their remedies, and what they promise."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.cli.remedies import command_problem
from registry.domain.canonical import canonical_json, load_canonical
from registry.domain.policies import Gate, RuleResult
from registry.domain.policy_sets import Example, set_of
from registry.policies.evaluator import CompiledPolicy
from registry.policies.examples import answer_to, base_document, document_of_example
from registry.policies.loader import Loaded
from registry.testing.policies import shipped
from registry.testing.second_engine import RustEngine

SHIPPED = shipped()
SECOND = CompiledPolicy(SHIPPED.policy.policy_set, RustEngine())


def name_of(example: Example) -> str:
    return f"{example.gate.value}: {example.name}"


@pytest.mark.parametrize("example", SHIPPED.examples, ids=name_of)
def test_example_holds(example: Example) -> None:
    """Exactly the rules that the example names refuse it, and each says why with its values."""
    refused = [r for r in answer_to(SHIPPED.policy, example) if not r.passed]
    assert {r.rule for r in refused} == set(example.refused)
    assert all(r.message and "error" not in r.bound for r in refused)


@pytest.mark.parametrize("example", SHIPPED.examples, ids=name_of)
def test_engines_agree(example: Example) -> None:
    """Another CEL answers alike, to the last word of every message."""
    assert answer_to(SHIPPED.policy, example) == answer_to(SECOND, example)


@pytest.mark.parametrize("example", [e for e in SHIPPED.examples if e.refused], ids=name_of)
def test_remedies_can_be_typed(example: Example) -> None:
    """The command of each remedy is one that our own command line takes."""
    for result in answer_to(SHIPPED.policy, example):
        if not result.passed:
            assert command_problem(result.fix) == ""


def test_remedies_name_data_as_the_command_takes_it() -> None:
    """The values of its options are none that it refuses, where a remedy fills them in."""
    fixes = [r.fix for each in SHIPPED.examples for r in answer_to(SHIPPED.policy, each)]
    named = [data for fix in fixes for data in re.findall(r"--dataset ([^\s;]+)", fix)]
    assert named
    assert [data for data in named if not re.fullmatch("NAME@sha256:[0-9a-f]+", data)] == []


def test_every_rule_refuses_and_lets_pass(loaded: Loaded) -> None:
    """Each shipped rule has an example that it refuses and one that it lets pass."""
    for gate in loaded.policy.policy_set.gates:
        results = [
            result
            for example in loaded.examples
            if example.gate is gate.gate
            for result in answer_to(loaded.policy, example)
        ]
        for rule in gate.rules:
            told = {result.passed for result in results if result.rule == rule.id}
            assert told == {True, False}, rule.id


def test_documents_are_canonical(policy: CompiledPolicy) -> None:
    """What a gate is shown can be kept and read back, and has no null in it."""
    for gate in Gate:
        for base in ("internal", "mirrored"):
            document = base_document(base, gate, policy.policy_set.settings)
            kept = canonical_json(document)
            assert load_canonical(kept) == document
            assert policy.replay(gate, load_canonical(kept)) == policy.replay(gate, document)  # type: ignore[arg-type]
            assert not has_null(document)


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None


def test_a_set_comes_back_from_its_content(policy: CompiledPolicy) -> None:
    """Stored and read, a set is the same set with the same digest."""
    again = set_of(policy.policy_set.content())
    assert again == policy.policy_set
    assert again.digest == policy.digest


PEOPLE = ("alice", "ann", "bob", "ben", "sam")
HANDS = {"alice", "ann"}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "by": st.sampled_from(PEOPLE),
                "kind": st.sampled_from(["person", "robot"]),
                "digest": st.sampled_from(["right", "wrong"]),
                "policy_digest": st.sampled_from(["right", "wrong"]),
                "rules_digest": st.sampled_from(["right", "wrong"]),
                "groups": st.sampled_from([[], ["security"]]),
                "days": st.integers(0, 200),
            }
        ),
        max_size=6,
        unique_by=lambda each: each["by"],
    ),
    st.sampled_from(["internal", "mirrored"]),
)
@pytest.mark.slow
def test_law_of_approvals(drawn: list[dict[str, Any]], base: str) -> None:
    """Whatever the decisions: what passes has as many live approvals of others as it needs, and
    none of somebody who had a hand in it. Both engines say so."""
    policy = SHIPPED.policy
    document = base_document(base, Gate.PROMOTE, policy.policy_set.settings)
    decisions = [decision(document, each) for each in drawn]
    shown = document | {"decisions": decisions}
    live = [
        each
        for each in drawn
        if each["kind"] == "person" and "wrong" not in each.values() and each["days"] < 90
    ]
    others = [each for each in live if each["by"] not in HANDS]
    needed = 1 if base == "internal" else 2
    by_group = base == "internal" or any(each["groups"] for each in others)
    expected = len(others) >= needed and by_group and len(others) == len(live)
    for each in (policy, SECOND):
        assert all(result.passed for result in each.replay(Gate.PROMOTE, shown)) is expected


def decision(document: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Any]:
    right: dict[str, Any] = document["decisions"][0]
    return (
        right
        | {
            "by": drawn["by"],
            "uid": f"uid-of-{drawn['by']}",
            "kind": drawn["kind"],
            "groups": drawn["groups"],
            "at": at(drawn["days"]),
        }
        | {
            key: right[key] if drawn[key] == "right" else "sha256:0"
            for key in ("digest", "policy_digest", "rules_digest")
        }
    )


def at(days: int) -> str:
    """So many days before the documents' now."""
    from datetime import UTC, datetime, timedelta

    return f"{datetime(2026, 11, 20, 12, tzinfo=UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def test_every_rule_is_asked(policy: CompiledPolicy) -> None:
    """No rule is left out, however many before it fail."""
    document = base_document("internal", Gate.PROMOTE, policy.policy_set.settings)
    document["version"] = document["version"] | {
        "state": "REJECTED",
        "formats": ["pickle"],
        "flags": ["nsfw"],
    }
    document["decisions"] = []
    results = policy.replay(Gate.PROMOTE, document)
    asked = next(g for g in policy.policy_set.gates if g.gate is Gate.PROMOTE)
    assert [r.rule for r in results] == [rule.id for rule in asked.rules]
    assert failed(results) == ["VETTED", "FOUR-EYES", "FMT-1", "FLAG-1"]


def failed(results: tuple[RuleResult, ...]) -> list[str]:
    return [result.rule for result in results if not result.passed]


def test_a_broken_document_denies(policy: CompiledPolicy) -> None:
    """A value that a rule needs and that is not there denies with a message, and skips nothing."""
    document = base_document("internal", Gate.PROMOTE, policy.policy_set.settings)
    document["version"] = {
        key: value for key, value in document["version"].items() if key != "contributors"
    }
    results = {r.rule: r for r in policy.replay(Gate.PROMOTE, document)}
    for rule in ("let hands", "SOD-1", "FOUR-EYES"):
        assert not results[rule].passed
        assert not results[rule].waits
        assert "could not be evaluated" in results[rule].message
    assert results["VETTED"].passed


def test_examples_change_what_they_say(policy: CompiledPolicy) -> None:
    """An example's document differs from its base in what it gives alone."""
    example = next(e for e in SHIPPED.examples if e.name == "a pickle in production")
    document = document_of_example(policy, example)
    base = base_document("internal", Gate.PROMOTE, policy.policy_set.settings)
    assert document["version"]["formats"] == ["json", "pickle", "text"]
    document["version"]["formats"] = base["version"]["formats"]
    assert document == base
