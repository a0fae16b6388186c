"""Scopes and grants: what covers what, against the rule said once more in plain words."""

from __future__ import annotations

import fnmatch
import random
import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.access import TABLE, Action, Grant, Reach, Role, allowed, patterns_holding
from registry.domain.scopes import (
    Scope,
    covered,
    glob,
    includes,
    model_in,
    models_of,
    overlap,
    stages_of,
)

ACTIONS = ("version.fetch", "version.read", "promotion.decide", "token.create", "event.read")
ACTION_PATTERNS = (*ACTIONS, "*", "version.*", "*.read", "promotion.*")
MODELS = ("fraud/a", "fraud/ab", "fraud-eu/a", "risk/a", "huggingface/org/a")
MODEL_PATTERNS = (*MODELS, "*", "fraud/*", "fraud*", "*/a", "*a*", "huggingface/*")
STAGES = ("staging", "production")


def a_scope(choice: random.Random) -> Scope:
    return Scope(
        action=choice.choice(ACTION_PATTERNS),
        model=choice.choice(MODEL_PATTERNS),
        stage=choice.choice((*STAGES, "*", "*")),
    )


def everything() -> list[tuple[str, str | None, str]]:
    return [(a, m, s) for a in ACTIONS for m in (*MODELS, None) for s in ("", *STAGES)]


@pytest.mark.parametrize("seed", range(20))
def test_globs_are_those_of_the_shell(seed: int) -> None:
    """A pattern matches what a regular expression made of it matches, and `?` and `[` are plain."""
    choice = random.Random(seed)
    for _ in range(500):
        pattern = "".join(choice.choices("ab*", k=choice.randrange(7)))
        text = "".join(choice.choices("ab", k=choice.randrange(7)))
        assert glob(pattern, text) is bool(fnmatch.fnmatchcase(text, pattern)), (pattern, text)
    assert not glob("a?", "ab")
    assert not glob("[a]", "a")
    assert glob("*", "line\nbreak")


def test_no_pattern_is_slow() -> None:
    """A pattern made to be tried in all ways is refused in one pass."""
    assert not glob("*a" * 30 + "*b", "a" * 100_000)


@pytest.mark.parametrize("seed", range(30))
def test_a_token_made_by_a_token_is_good_for_no_more(seed: int) -> None:
    """Whatever scopes may be given by a token, all they cover is covered by its own."""
    choice = random.Random(seed)
    given = 0
    for _ in range(400):
        held = tuple(a_scope(choice) for _ in range(choice.randrange(4)))
        asked = tuple(a_scope(choice) for _ in range(choice.randrange(3)))
        if not includes(held, asked):
            continue
        given += 1
        for action, model, stage in everything():
            if covered(asked, action, model, stage):
                assert covered(held, action, model, stage), (held, asked, action, model, stage)
    assert given > 50


def test_a_narrower_scope_may_be_given() -> None:
    """What is plainly less is allowed, so the rule is not met by refusing all."""
    held = (Scope(action="version.*", model="fraud/*"),)
    assert includes(held, (Scope(action="version.fetch", model="fraud/a", stage="production"),))
    assert includes(held, (Scope(action="version.*", model="fraud/a*"),))
    assert not includes(held, ())
    assert not includes(held, (Scope(action="version.*", model="fraud*"),))
    assert not includes(held, (Scope(action="*", model="fraud/a"),))
    assert includes((), ())


def test_what_has_no_model_takes_a_star() -> None:
    """A scope on some models covers nothing that belongs to no model."""
    assert not covered((Scope(action="*", model="fraud/*"),), "event.read", None, "")
    assert not covered((Scope(action="*", model="**"),), "event.read", None, "")
    assert covered((Scope(action="*"),), "event.read", None, "")


def test_a_stage_covers_itself_alone() -> None:
    """A scope with a stage covers no other stage, and no action without one."""
    scopes = (Scope(action="*", model="fraud/*", stage="production"),)
    assert covered(scopes, "stage.rollback", "fraud/a", "production")
    assert not covered(scopes, "stage.rollback", "fraud/a", "staging")
    assert not covered(scopes, "version.read", "fraud/a", "")
    assert stages_of(scopes, "version.fetch", "fraud/a") == ("production",)
    assert stages_of(scopes, "version.fetch", "risk/a") == ()
    assert stages_of((), "version.fetch", "risk/a") == ("*",)
    assert models_of(scopes, "version.fetch") == ()


@pytest.mark.parametrize(
    ("resource", "model"),
    [
        ("models/fraud/scorer", "fraud/scorer"),
        ("models/fraud/scorer/versions/7", "fraud/scorer"),
        ("models/fraud/scorer/stages/production", "fraud/scorer"),
        ("models/huggingface/BAAI/bge/references/best", "huggingface/BAAI/bge"),
        ("models/", None),
        ("namespaces/fraud", None),
        ("promotions/7", None),
        ("", None),
    ],
)
def test_the_model_of_a_resource(resource: str, model: str | None) -> None:
    """The model's path is read from the names of all that belongs to it."""
    assert model_in(resource) == model


@pytest.mark.parametrize("seed", range(20))
def test_a_deny_always_wins(seed: int) -> None:
    """An action is allowed where a grant gives it and none takes it, in whatever order they come;
    lists reach exactly there."""
    choice = random.Random(seed)
    patterns = ("*", "fraud", "fraud-*", "f*", "*-eu", "risk")
    for _ in range(200):
        grants = tuple(
            Grant(
                role=choice.choice(list(Role)),
                namespace_pattern=choice.choice(patterns),
                deny=choice.random() < 0.3,
            )
            for _ in range(choice.randrange(5))
        )
        for action in choice.sample(list(Action), 5):
            for namespace in ("fraud", "fraud-eu", "risk", "other"):
                holding = [
                    grant.deny
                    for grant in grants
                    if action in TABLE[grant.role]
                    and re.fullmatch(grant.namespace_pattern.replace("*", ".*"), namespace)
                ]
                expected = bool(holding) and not any(holding)
                assert allowed(grants, action, namespace) is expected
                assert patterns_holding(grants, action).shows(namespace) is expected


_PATTERNS = st.text("ab*", max_size=6)


@given(one=_PATTERNS, other=_PATTERNS, texts=st.lists(st.text("ab", max_size=6), max_size=30))
def test_what_matches_both_shows_that_they_overlap(one: str, other: str, texts: list[str]) -> None:
    """Patterns overlap, in whatever order they are asked about, if any text matches both."""
    if any(glob(one, text) and glob(other, text) for text in texts):
        assert overlap(one, other)
    assert overlap(one, other) == overlap(other, one)


def test_overlap_is_exact() -> None:
    """Of all short patterns those overlap that some text of a sufficient length matches both."""
    patterns = ["".join(letters) for n in range(4) for letters in product("ab*", repeat=n)]
    texts = ["".join(letters) for n in range(6) for letters in product("ab", repeat=n)]
    matched = {pattern: {text for text in texts if glob(pattern, text)} for pattern in patterns}
    for one, other in product(patterns, repeat=2):
        assert overlap(one, other) == bool(matched[one] & matched[other]), (one, other)


@pytest.mark.parametrize(
    ("allowed", "denied", "pattern", "covers"),
    [
        (("*",), (), "*", True),
        (("*",), (), "fraud", True),
        (("fraud",), (), "*", False),
        (("fraud*",), (), "fraud", True),
        (("fraud*",), (), "fraud-*", True),
        (("fraud-*",), (), "fraud*", False),
        (("*",), ("secret",), "*", False),
        (("*",), ("secret",), "s*", False),
        (("*",), ("secret",), "fraud-*", True),
        (("*",), ("secret-*",), "*-eu", False),
        ((), (), "fraud", False),
    ],
)
def test_a_reach_covers_patterns(
    allowed: tuple[str, ...], denied: tuple[str, ...], pattern: str, covers: bool
) -> None:
    """A pattern is covered where one that is allowed has all of it, and none that is denied any."""
    assert Reach(allowed=allowed, denied=denied).covers(pattern) is covers
