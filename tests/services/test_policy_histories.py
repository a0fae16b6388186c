"""Random histories of approvals, policy changes and passing days, against a model of ten lines."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.domain.access import Caller, Role
from registry.domain.promotions import Outcome, PromotionState
from registry.errors import HallmarkError, PolicyRefusedError
from registry.names import PromotionName
from registry.policies.google import GoogleEngine
from registry.policies.loader import load
from registry.ports.database import Transaction
from registry.testing.policies import shipped_files
from registry.testing.story import Story
from registry.testing.world import DAY_US, grant

#: Approvals count for so long, and a request waits for so long.
VALID_DAYS, OPEN_DAYS = 2, 14
TWO = b"""rules:
- id: TWO
  when: "request.note == 'please'"
  require: "others.size() >= 2"
  waits: true
  message: "{others.size()} of 2 approvals."
  fix: "Ask somebody else too: hallmark decide {request.promotion} --approve"
"""
TESTS = b"""
tests:
- name: one where two are asked for
  given: {request: {note: please}}
  refused: [TWO]
"""
_MODELS = itertools.count(1)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("approve"), st.sampled_from(["alice", "bob", "ben", "sam"])),
        st.tuples(st.just("policy"), st.integers(0, 2)),
        st.tuples(st.just("days"), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=14,
)


@cache
def contents() -> list[tuple[str, bytes]]:
    """Three sets that ask for two approvals, and differ in a word."""
    made = []
    for tag in range(3):
        files = dict(shipped_files())
        files["promote.yaml"] = files["promote.yaml"].replace(b"rules:\n", TWO, 1)
        files["promote.yaml"] = files["promote.yaml"].replace(b"\ntests:\n", TESTS, 1)
        files["settings.yaml"] = (
            files["settings.yaml"]
            .replace(b"approval_validity: 2160h", b"approval_validity: %dh" % (24 * VALID_DAYS))
            .replace(b"custom: {}", b"custom: {tag: %d}" % tag)
        )
        policy = load(files, GoogleEngine()).policy.policy_set
        made.append((policy.digest, policy.content()))
    return made


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_law_of_histories(story: Story, history: list[tuple[str, object]]) -> None:
    """Whatever happens in whatever order: the stage moves with the second approval, by people who
    had no hand in the version, that is of now under the set of now, and never without."""
    world = story.world
    model = f"fraud/history-{next(_MODELS)}"
    world.model(model)
    people = {
        "alice": reviewing(story.alice),
        "bob": story.bob,
        "ben": story.ben,
        "sam": story.sam,
    }
    version = story.vetted(story.push({"a.txt": model.encode()}, model=model))
    activate(story, 0)
    promotion = story.ask(version)
    opened = world.clock.now_us()
    name = PromotionName(number=promotion.number)
    #: By person: under which set and when they approved last.
    words: dict[str, tuple[int, int]] = {}
    active, moved = 0, False
    refused: list[tuple[str, bool, HallmarkError]] = []
    for step, what in history:
        now = world.clock.now_us()
        if step == "policy":
            assert isinstance(what, int)
            active = what
            activate(story, active)
        elif step == "days":
            assert isinstance(what, int)
            world.clock.advance(what * DAY_US)
        else:
            who = str(what)
            is_open = not moved and now < opened + OPEN_DAYS * DAY_US
            if is_open and who != "alice":
                before = words.get(who)
                stands = before is not None and before[0] == active and alive(before[1], now)
                if not stands:
                    words[who] = (active, now)
            live = {w for w, (under, at) in words.items() if under == active and alive(at, now)}
            expected = moved or (is_open and who != "alice" and len(live) >= 2)
            try:
                decided = world.promotions.decide(
                    people[who],
                    name,
                    outcome=Outcome.APPROVE,
                    comment="",
                    digest=promotion.digest,
                    expected_current=0,
                )
                assert (decided.state is PromotionState.COMPLETED) == expected
                assert who != "alice"
            except HallmarkError as error:
                refused.append((who, is_open, error))
            moved = expected
        assert (story.in_stage(model=model) == 1) == moved
    for who, was_open, told in refused:
        # What is open refuses alice, whose own version it is, and nobody else.
        assert was_open == isinstance(told, PolicyRefusedError)
        assert not was_open or (who == "alice" and "SOD-1" in str(told))


def alive(at_us: int, now_us: int) -> bool:
    return now_us < at_us + VALID_DAYS * DAY_US


def reviewing(alice: Caller) -> Caller:
    """alice, who registered, with the right to decide too."""
    both = (*alice.principal.grants, grant(Role.REVIEWER, "fraud"))
    return dataclasses.replace(alice, principal=dataclasses.replace(alice.principal, grants=both))


def activate(story: Story, number: int) -> None:
    """As two people would."""
    digest, content = contents()[number]

    def change(tx: Transaction) -> None:
        tx.policies.put(digest, content, 0)
        tx.policies.activate(digest, tx.policies.active(), 0)

    story.world.database.write(change)
