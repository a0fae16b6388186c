"""Answers that are remembered are those that would be worked out."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from registry.domain.gate_documents import NAMES
from registry.domain.policies import Gate, RuleResult
from registry.policies.examples import document_of_example
from registry.policies.remembered import KEPT_MAX, Answers
from registry.testing.policies import shipped

SHIPPED = shipped()
PASSED = (RuleResult(rule="A", passed=True),)


VALUES: dict[type, list[Any]] = {
    bool: [True, False],
    int: [0, 1, 10**15],
    float: [0.0, 2.5],
    list: [[], ["pickle"]],
    str: ["", "pass", "RELEASED", "mit", "x"],
}


def changed(document: dict[str, Any], choice: random.Random) -> dict[str, Any]:
    """A copy with one value somewhere in it replaced by another of its kind."""
    made = copy.deepcopy(document)
    here: Any = made[choice.choice(["version", "settings", "request", "model", "actor", "current"])]
    while here:
        places = list(here) if isinstance(here, dict) else list(range(len(here)))
        place = choice.choice(places)
        if isinstance(here[place], dict | list) and here[place] and choice.random() < 0.9:
            here = here[place]
            continue
        here[place] = choice.choice(VALUES.get(type(here[place]), ["x"]))
        break
    return made


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 20))]
)
@pytest.mark.slow
def test_what_is_remembered_is_what_would_be_worked_out(seed: int) -> None:
    """Whatever value of a document changes, the answer is the one without a memory."""
    choice = random.Random(seed)
    for example in SHIPPED.examples:
        gate = SHIPPED.policy.compiled(example.gate)
        assert gate is not None
        document = document_of_example(SHIPPED.policy, example)
        for _ in range(3):
            assert gate.evaluate(document) == gate._worked_out(document)
            document = changed(document, choice)


def test_only_what_is_read_matters() -> None:
    """Another value of what the expressions do not name finds the same answer, of what they name
    does not; a text that looks like a name is no harm."""
    answers = Answers(["version.verdict == 'pass'", "'request.note'.size() > 0"], NAMES)
    document: dict[str, Any] = {
        "version": {"verdict": "pass", "number": 1},
        "request": {"note": ""},
    }
    key, found = answers.find(document)
    assert found is None
    answers.keep(key, PASSED)
    document["version"]["number"] = 2
    assert answers.find(document)[1] == PASSED
    document["request"]["note"] = "x"
    assert answers.find(document)[1] is None
    document["request"]["note"] = ""
    document["version"]["verdict"] = "fail"
    assert answers.find(document)[1] is None


@pytest.mark.parametrize(
    ("expression", "one", "other"),
    [
        ("version['card'].x", {"card": {"x": 1}}, {"card": {"x": 2}}),
        ("version . card .x", {"card": {"x": 1}}, {"card": {"x": 2}}),
        ("version.card.x.size()", {"card": {"x": [1]}}, {"card": {"x": [1, 2]}}),
        ("has(version.card.x)", {"card": {}}, {"card": {"x": 1}}),
        ("version.map(version, version)", {"a": 1}, {"a": 2}),
        (".version.a == 1 && version.b", {"a": 1}, {"a": 2}),
        ("version.a == 1", {"a": 1}, {"a": True}),
        ("version.a == 1", {"a": 1}, {"a": "1"}),
        ("version.a", {"a": []}, {"a": {}}),
    ],
)
def test_however_it_is_read(expression: str, one: object, other: object) -> None:
    """Values that an expression could tell apart are told apart, in whatever way it reads them."""
    answers = Answers([expression], NAMES)
    key, _ = answers.find({"version": one})
    answers.keep(key, PASSED)
    assert answers.find({"version": one})[1] == PASSED
    assert answers.find({"version": other})[1] is None


@pytest.mark.parametrize("now", ["now", ".now"])
def test_time_is_never_remembered(now: str) -> None:
    """A gate that reads the time is asked anew each time."""
    answers = Answers([f"timestamp({now}) > timestamp(version.create_time)"], NAMES)
    key, _ = answers.find({"now": "a", "version": {}})
    answers.keep(key, PASSED)
    assert answers.find({"now": "a", "version": {}})[1] is None


def test_settings_of_another_set_are_told_apart() -> None:
    """Settings are looked through once an object; others, and none at all, have other answers."""
    answers = Answers(["version.a <= settings.limits.a", "settings.b"], NAMES)
    one, other = {"limits": {"a": 1}, "b": 1}, {"limits": {"a": 2}, "b": 1}
    version = {"a": 1}
    bare, _ = answers.find({"version": version})
    key, _ = answers.find({"version": version, "settings": one})
    assert bare != key
    answers.keep(key, PASSED)
    for _ in range(2):
        assert answers.find({"version": version, "settings": one})[1] == PASSED
        assert answers.find({"version": version, "settings": dict(one)})[1] == PASSED
        assert answers.find({"version": version, "settings": other})[1] is None
        assert answers.find({"version": version})[1] is None
        assert answers.find({"version": {"a": 2}, "settings": one})[1] is None


def test_refusals_and_waivers_are_not_remembered() -> None:
    """What is refused is told with each case's values; what a waiver lets pass ends with it."""
    answers = Answers(["version.a"], NAMES)
    key, _ = answers.find({"version": {"a": 1}})
    for result in (
        RuleResult(rule="A", passed=False),
        RuleResult(rule="A", passed=True, waived_by="waivers/1"),
    ):
        answers.keep(key, (*PASSED, result))
        assert answers.find({"version": {"a": 1}})[1] is None


def test_the_memory_is_bounded() -> None:
    """It starts anew when it is full."""
    answers = Answers(["version.a"], NAMES)
    for number in range(KEPT_MAX + 1):
        answers.keep(answers.find({"version": {"a": number}})[0], PASSED)
    assert answers.find({"version": {"a": KEPT_MAX}})[1] == PASSED
    assert answers.find({"version": {"a": 0}})[1] is None


def test_gates_that_are_asked_for_each_version_remember() -> None:
    """The shipped gates register, release and fetch do not read the time."""
    for gate in (Gate.REGISTER, Gate.RELEASE, Gate.FETCH):
        compiled = SHIPPED.policy.compiled(gate)
        assert compiled is not None
        assert compiled._answers._is_of_use
