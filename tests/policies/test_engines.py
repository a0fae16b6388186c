"""Expressions: what the engine that decides does, and that another CEL agrees."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.policies import Gate
from registry.domain.policy_sets import GateRules, PolicySet, Rule
from registry.policies.engine import LENGTH_MAX, Engine, ExpressionError
from registry.policies.evaluator import CompiledPolicy
from registry.policies.examples import base_document
from registry.policies.google import GoogleEngine
from registry.policies.templates import Template
from registry.testing.policies import shipped
from registry.testing.second_engine import RustEngine

GOOGLE, RUST = GoogleEngine(), RustEngine()
DOCUMENT: Mapping[str, object] = {
    "a": {"n": 3, "x": 0.5, "s": "text", "l": [1, 2, 3], "t": True, "m": {"k": "v"}},
    "b": [{"by": "bob", "n": 1}, {"by": "ben", "n": 2}],
}
NAMES = tuple(DOCUMENT)


def value(engine: Engine, expression: str) -> object:
    """The value, or "error" for none."""
    try:
        return engine.compile(expression, NAMES).evaluate(engine.bind(DOCUMENT))
    except ExpressionError:
        return "error"


AGREED = [
    *("a.n == 3", "a.n >= 2.5", "a.x < 1", "a.n in a.l", "'k' in a.m", "has(a.n)", "has(a.zz)"),
    *("a.zz", "a.zz == 1", "a.s + 1", "a.n / 0", "a.n % 0", "9223372036854775807 + a.n"),
    *("a.l.map(x, x * 2)", "a.l.filter(x, x > 1)", "a.l.exists(x, x == 2)", "a.l.all(x, x > 0)"),
    *("a.l.exists_one(x, x == 2)", "b.map(d, d.by)", "b.filter(d, d.n > 1).size()", "a.l[0]"),
    *("a.l[9]", "a.s.startsWith('te')", "a.s.contains('ex')", "a.s.matches('^t.*t$')", "size(a.s)"),
    *("a.t && a.n == 3", "a.t || a.zz", "a.zz || a.t", "!a.t", "!a.n", "a.t ? 'y' : 'n'"),
    *(
        "double(a.n) * 0.99",
        "string(a.n)",
        "int('12') + a.n",
        "int('x')",
        "[a.l].exists(m, m[0] == 1)",
    ),
    *("timestamp('2026-01-01T00:00:00Z') + duration('24h') > timestamp('2026-01-01T23:00:00Z')",),
    *("timestamp('yesterday')", "duration('24x')", "a.m['k']", "a.m['z']", "b[0].by == 'bob'"),
]


@pytest.mark.parametrize("expression", AGREED)
def test_both_engines_agree(expression: str) -> None:
    """Two CELs have one value for an expression, or both have none."""
    assert value(GOOGLE, expression) == value(RUST, expression)


numbers = st.sampled_from(["a.n", "a.x", "1", "-3", "a.l[1]", "b[0].n", "size(a.l)", "a.zz"])
comparisons = st.builds(
    "({} {} {})".format, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers
)
truths = st.recursive(
    st.one_of(
        comparisons,
        st.sampled_from(
            ["a.t", "has(a.n)", "has(a.zz)", "'bob' in b.map(d, d.by)", "a.s == 'text'"]
        ),
        st.builds("b.exists(d, {} < d.n)".format, numbers),
        st.builds("a.l.all(x, x > {})".format, st.integers(-2, 3)),
        st.builds(
            "a.l.filter(x, x >= {}).size() == {}".format, st.integers(0, 4), st.integers(0, 3)
        ),
    ),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=8,
)


@given(truths)
def test_both_engines_agree_on_whatever_is_drawn(expression: str) -> None:
    """Generated conditions, those with errors in them too, are true for both, false, or nothing."""
    assert value(GOOGLE, expression) == value(RUST, expression)


@pytest.mark.slow
def test_no_reference_to_none_is_lost() -> None:
    """However often rules are evaluated, Python's None keeps its references: documents have no
    null, and expressions can make none."""
    policy = shipped().policy
    document = base_document("mirrored", Gate.PROMOTE, policy.policy_set.settings)
    policy.replay(Gate.PROMOTE, document)
    # What other tests left must not be thrown away between the two looks.
    gc.collect()
    before = sys.getrefcount(None)
    for _ in range(500):
        policy.replay(Gate.PROMOTE, document)
    gc.collect()
    assert abs(sys.getrefcount(None) - before) < 200


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("null", "`null`"),
        ("a.n == null", "`null`"),
        ("google.protobuf.Value{}", "`google`"),
        ("c", "undeclared"),
        ("a.n +", "Syntax error"),
        ("(" * 100 + "1" + ")" * 100, "recursion"),
        (f"'{'x' * LENGTH_MAX}' == ''", "characters"),
        ("'\ud800' == ''", "surrogates"),
    ],
)
def test_what_does_not_compile(expression: str, expected: str) -> None:
    """Unknown names, nulls, depth and length past the bounds are told before anything runs."""
    with pytest.raises(ExpressionError, match=expected):
        GOOGLE.compile(expression, NAMES)


def test_quoted_words_are_words() -> None:
    """A text may say null."""
    assert value(GOOGLE, "'null' == \"null\" && r'google' != ''") is True


def test_a_budget_ends_what_runs_long() -> None:
    """Nested comprehensions over lists end with an error after a bounded number of steps."""
    ten = "[1,2,3,4,5,6,7,8,9,10]"
    expression = "true"
    for name in "pqrstuv":
        expression = f"{ten}.all({name}, {expression})"
    with pytest.raises(ExpressionError, match="budget"):
        GOOGLE.compile(expression, ()).evaluate(GOOGLE.bind({}))


def compiled(**rule: str | bool) -> CompiledPolicy:
    given: dict[str, object] = {"id": "R-1", "require": "true", "message": "m", "fix": "hallmark x"}
    rules = (Rule(**(given | rule)),)  # type: ignore[arg-type]
    lets = (("bad", "version.nothing"), ("good", "version.number"))
    gates = (GateRules(gate=Gate.FETCH, lets=lets, rules=rules),)
    policy = PolicySet(settings=shipped().policy.policy_set.settings, gates=gates)
    return CompiledPolicy(policy, GOOGLE)


@pytest.mark.parametrize(
    "rule",
    [
        {"require": "version.nothing == 1"},
        {"require": "version.number"},
        {"require": "version.number / 0 == 1"},
        {"when": "version.nothing"},
        {"when": "version.number"},
        {"require": "bad == 1"},
        {"require": "false", "message": "{version.nothing}"},
        {"require": "false", "fix": "hallmark {bad}"},
        {"require": "version.nothing == 1", "waits": True, "waivable": True},
    ],
)
def test_an_error_denies(rule: dict[str, str | bool]) -> None:
    """An error in when, require, message or fix denies with a message of its own, and neither
    decisions nor a waiver can help it."""
    policy = compiled(**rule)
    document = base_document("internal", Gate.FETCH, policy.policy_set.settings)
    waiver = {"id": "waivers/1", "rule": "R-1", "until": "2030-01-01T00:00:00Z"}
    result = policy.replay(Gate.FETCH, document | {"waivers": [waiver]})[-1]
    assert (result.rule, result.passed, result.waits) == ("R-1", False, False)
    assert "could not be evaluated" in result.message


def test_lets_do_not_grow_without_bound() -> None:
    """Lets that double each other end with an error, and deny."""
    lets = [("a0", "'xxxxxxxxxx'"), *((f"a{n}", f"a{n - 1} + a{n - 1}") for n in range(1, 40))]
    rule = Rule(id="R-1", require="true", message="m", fix="hallmark x")
    gates = (GateRules(gate=Gate.FETCH, lets=tuple(lets), rules=(rule,)),)
    settings = shipped().policy.policy_set.settings
    policy = CompiledPolicy(PolicySet(settings=settings, gates=gates), GOOGLE)
    results = policy.replay(Gate.FETCH, base_document("internal", Gate.FETCH, settings))
    first = next(result for result in results if not result.passed)
    assert first.rule == "let a14"
    assert "at most 100000" in first.message


def test_an_error_in_a_let_denies() -> None:
    """A let without a value denies by itself, also where no rule uses it."""
    policy = compiled()
    document = base_document("internal", Gate.FETCH, policy.policy_set.settings)
    first, second = policy.replay(Gate.FETCH, document)
    assert (first.rule, first.passed) == ("let bad", False)
    assert second.passed


def test_a_gate_without_rules_stays_shut() -> None:
    """What no rule speaks of does not pass."""
    policy = compiled()
    document = base_document("internal", Gate.PROMOTE, policy.policy_set.settings)
    (result,) = policy.replay(Gate.PROMOTE, document)
    assert (result.rule, result.passed) == ("UNRULED", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{a.n} of {a.x}", "3 of 0.5"),
        ("{{a.n}}", "{a.n}"),
        ("{b.map(d, d.by)}", "bob, ben"),
        ("{a.l.filter(x, x > 5)}", "none"),
        ("{a.t}", "true"),
        ("{a.m}", '{"k":"v"}'),
        ("{timestamp('2026-01-01T00:00:00Z')}", "2026-01-01T00:00:00Z"),
        ("{duration('36h')}", "36 h"),
        ("{2.0}", "2"),
    ],
)
def test_templates(text: str, expected: str) -> None:
    """A placeholder stands for its value, as people read it."""
    assert Template(text, GOOGLE, NAMES).render(GOOGLE.bind(DOCUMENT))[0] == expected


def test_long_values_are_cut() -> None:
    """No message grows without bound."""
    shown, bound = Template("{a}", GOOGLE, ("a",)).render(GOOGLE.bind({"a": "x" * 10_000}))
    assert len(shown) == 300
    assert bound == {"a": shown}


def test_a_stored_set_that_no_longer_compiles_denies() -> None:
    """What an update of the engine makes of a stored set is no way past its gate."""
    rule = Rule(id="R-1", require="1 +", message="m", fix="hallmark x")
    gates = (GateRules(gate=Gate.FETCH, lets=(), rules=(rule,)),)
    given = PolicySet(settings=shipped().policy.policy_set.settings, gates=gates)
    policy = CompiledPolicy(given, GOOGLE, at_once=False)
    (result,) = policy.replay(Gate.FETCH, {})
    assert not result.passed
    assert "could not be evaluated" in result.message
