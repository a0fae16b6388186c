"""Readiness: what is assessed when, what is told of it, and what it sways."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from registry.domain.access import Caller, Role
from registry.domain.models import ModelFields
from registry.domain.readiness import ModelReport, Readiness, Report
from registry.domain.versions import Version
from registry.errors import (
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    PolicyRefusedError,
)
from registry.names import ReadinessName
from registry.ports.tables import EventQuery
from registry.services import assessments
from registry.services.assessments import ATTEMPTS_MAX, LEASE_US, RETRY_US
from registry.services.readiness import VersionReadiness
from registry.testing.assessing import BLOCKING
from registry.testing.story import Story, name_of, set_settings
from registry.testing.world import World, grant

FILES = {"model.txt": b"a model", "config.txt": b"a config"}


def in_production(world: World, release: str) -> None:
    set_settings(world, "triton: {}", f'triton: {{production: "{release}"}}')


def about(version: Version, release: str) -> ReadinessName:
    return ReadinessName(version=name_of(version), release=release)


def assess_all(world: World) -> int:
    """All that waits; how many subjects that were."""
    done = 0
    while claims := world.assessments.claim(1):
        world.assessments.assess(claims[0])
        done += 1
    return done


def ask(story: Story, version: Version, release: str) -> VersionReadiness:
    return story.world.readiness.assess(story.rosa, about(version, release))


def known(story: Story, version: Version, release: str, by: Caller | None = None) -> Report:
    found = story.world.readiness.get(by or story.rosa, about(version, release)).assessment
    assert found.report is not None
    return found.report


def test_what_passes_is_assessed_for_the_releases_of_the_policy(story: Story) -> None:
    world = story.world
    in_production(world, "25.10")
    world.assessor.blocked = {"25.10"}
    version = story.vetted(story.push(FILES))
    assert assess_all(world) == 1
    assert world.assessor.asked == [("scorer", ("config.txt", "model.txt"), ("25.10",))]
    report = known(story, version, "25.10")
    assert report.readiness is Readiness.NOT_READY
    assert report.models[0].points == (BLOCKING,)
    (listed,) = world.readiness.list(story.rosa, name_of(version))
    assert (listed.name, listed.assessment.report) == (about(version, "25.10"), None)


def test_without_a_release_in_the_policy_nothing_is_assessed(story: Story) -> None:
    story.vetted(story.push(FILES))
    story.world.assessments.sweep()
    assert assess_all(story.world) == 0


def test_other_releases_are_assessed_when_somebody_asks(story: Story) -> None:
    version = story.vetted(story.push(FILES))
    wakes = story.world.wakes
    asked = ask(story, version, "26.04").assessment
    assert (asked.is_pending, asked.report, story.world.wakes) == (True, None, wakes + 1)
    assert assess_all(story.world) == 1
    assert known(story, version, "26.04").readiness is Readiness.READY
    again = ask(story, version, "26.04").assessment
    assert (again.is_pending, assess_all(story.world)) == (False, 0)


def test_all_releases_of_a_version_are_assessed_together(story: Story) -> None:
    version = story.vetted(story.push(FILES))
    ask(story, version, "26.04")
    ask(story, version, "25.10")
    assert assess_all(story.world) == 1
    assert story.world.assessor.asked[0][2] == ("25.10", "26.04")


def test_versions_of_a_model_with_the_same_files_are_assessed_once(story: Story) -> None:
    in_production(story.world, "25.10")
    first, second = story.push(FILES), story.push(FILES)
    story.vetted(second)
    assert assess_all(story.world) == 1
    for version in (first, second):
        assert known(story, version, "25.10").readiness is Readiness.READY


def test_the_same_files_in_another_model_are_its_own(story: Story) -> None:
    """Neither what was asked about one, nor what it has in production, is told of the other."""
    world = story.world
    in_production(world, "25.10")
    first = story.vetted(story.push(FILES))
    assess_all(world)
    story.promote(first)
    better = {**FILES, "model.txt": b"a better model"}
    here = story.vetted(story.push(better))
    world.models.create(story.alice, "fraud", "twin", ModelFields(), request_id="")
    there = story.vetted(story.push(better, model="fraud/twin"))
    ask(story, here, "26.04")
    assert assess_all(world) == 2
    assert [bool(each) for each in world.assessor.previous] == [False, True, False]
    assert [each[0] for each in world.assessor.asked] == ["scorer", "scorer", "twin"]
    told = world.readiness.list(story.rosa, name_of(there))
    assert [each.name.release for each in told] == ["25.10"]
    assert known(story, there, "25.10").readiness is Readiness.READY


def test_versions_from_before_are_found_by_the_sweep(story: Story) -> None:
    """A policy that names a release is about what was vetted before it, too."""
    world = story.world
    version = story.vetted(story.push(FILES))
    in_production(world, "25.10")
    assert not world.assessments.sweep()
    assert assess_all(world) == 1
    assert known(story, version, "25.10").readiness is Readiness.READY
    assert not world.assessments.sweep()
    assert assess_all(world) == 0


def test_other_tools_assess_anew(story: Story) -> None:
    """Until then the report that is there stands."""
    world = story.world
    in_production(world, "25.10")
    version = story.vetted(story.push(FILES))
    assess_all(world)
    world.assessor.tools_digest, world.assessor.blocked = "sha256:newer", {"25.10"}
    world.assessments.sweep()
    before = world.readiness.get(story.rosa, about(version, "25.10")).assessment
    assert (before.readiness, before.is_pending) == (Readiness.READY, True)
    assess_all(world)
    after = world.readiness.get(story.rosa, about(version, "25.10")).assessment
    assert (after.readiness, after.tools_digest) == (Readiness.NOT_READY, "sha256:newer")


def test_a_version_is_compared_with_the_one_in_production(story: Story) -> None:
    """And with none while there is none, or where that has the same files."""
    world = story.world
    in_production(world, "25.10")
    first = story.vetted(story.push(FILES))
    assess_all(world)
    story.promote(first)
    second = story.vetted(story.push({**FILES, "model.txt": b"a better model"}))
    assess_all(world)
    ask(story, first, "26.04")
    assess_all(world)
    files = world.database.read(lambda tx: tx.manifests.get(first.digest))
    assert files is not None
    assert world.assessor.previous == [(), tuple(each.sha256 for each in files.files), ()]
    assert second.digest != first.digest


def test_an_event_tells_of_each_version(story: Story) -> None:
    world = story.world
    in_production(world, "25.10")
    world.assessor.blocked = {"25.10"}
    first, second = story.push(FILES), story.push(FILES)
    story.vetted(second)
    assess_all(world)
    query = EventQuery(namespace="fraud", action="version.assess")
    events = world.database.read(lambda tx: tx.events.list(query, None, 9))
    assert {event.resource for event in events} == {first.name, second.name}
    assert json.loads(events[0].detail_json) == {
        "digest": first.digest,
        "release": "25.10",
        "readiness": "not_ready",
        "rules": ["GRAPH-2"],
        "tools_digest": "sha256:tools",
    }


def test_what_is_not_vetted_is_not_assessed(story: Story) -> None:
    version = story.push(FILES)
    with pytest.raises(InvalidStateError, match="not vetted yet, expected one that vetting"):
        ask(story, version, "25.10")
    assert assess_all(story.world) == 0


def test_an_unknown_release_is_refused(story: Story) -> None:
    version = story.vetted(story.push(FILES))
    with pytest.raises(InvalidFieldError, match=r"release 31\.01, expected .*26\.04, 25\.10"):
        ask(story, version, "31.01")


def test_a_release_of_the_policy_that_nobody_knows_is_passed_over(story: Story) -> None:
    """The gate refuses by it; there is nothing to assess."""
    in_production(story.world, "31.01")
    story.vetted(story.push(FILES))
    story.world.assessments.sweep()
    assert assess_all(story.world) == 0


def test_what_nobody_asked_about_is_not_there(story: Story) -> None:
    version = story.vetted(story.push(FILES))
    with pytest.raises(NotFoundError, match=r"hallmark ready fraud/scorer@1 --triton 25\.10"):
        known(story, version, "25.10")


def test_readers_alone_are_told(story: Story) -> None:
    version = story.vetted(story.push(FILES))
    name = about(version, "25.10")
    for call in (story.world.readiness.get, story.world.readiness.assess):
        with pytest.raises(PermissionDeniedError):
            call(story.mallory, name)
    with pytest.raises(PermissionDeniedError):
        story.world.readiness.list(story.mallory, name.version)


def test_the_text_of_files_is_for_those_who_may_fetch(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config.pbtxt of the version's own is bytes as any others; a generated one is not."""
    world = story.world
    own = ModelReport(name="a", folder="", backend="", config="name: 'a'", config_diff="-x\n+y")
    made = dataclasses.replace(own, is_config_generated=True, config_diff="")
    report = Report(release="25.10", onnxruntime="1", models=(own, made))
    monkeypatch.setattr(world.assessor, "assess", lambda *_: [report])
    version = story.vetted(story.push(FILES))
    ask(story, version, "25.10")
    assess_all(world)
    assert known(story, version, "25.10", by=story.dora) == report
    hidden = dataclasses.replace(own, config="", config_diff="")
    may_not_fetch = world.caller("ivy", grant(Role.AUDITOR, "fraud"))
    expected = dataclasses.replace(report, models=(hidden, made))
    assert known(story, version, "25.10", by=may_not_fetch) == expected


def test_the_gate_of_a_stage_goes_by_the_report(story: Story) -> None:
    world = story.world
    in_production(world, "25.10")
    world.assessor.blocked = {"25.10"}
    version = story.vetted(story.push(FILES))
    with pytest.raises(PolicyRefusedError, match=r"TRITON-1.*not ready for Triton 25\.10"):
        story.ask(version)
    assess_all(world)
    with pytest.raises(PolicyRefusedError, match="TRITON-1"):
        story.ask(version)
    world.assessor.tools_digest, world.assessor.blocked = "sha256:newer", set()
    world.assessments.sweep()
    assess_all(world)
    story.promote(version)
    assert story.in_stage() == version.number


def test_what_is_in_the_way_is_told_and_tried_again(story: Story) -> None:
    """As often as it takes: that is no fault of the model."""
    world = story.world
    version = story.vetted(story.push(FILES))
    ask(story, version, "25.10")
    world.assessor.problem = "this machine has no jail"
    for _ in range(ATTEMPTS_MAX + 1):
        (claim,) = world.assessments.claim(1)
        world.assessments.assess(claim)
        told = world.readiness.get(story.rosa, about(version, "25.10")).assessment
        assert (told.problem, told.is_pending) == ("this machine has no jail", True)
        assert world.assessments.claim(1) == []
        world.clock.advance(RETRY_US)
    world.assessor.problem = ""
    assert assess_all(world) == 1
    done = world.readiness.get(story.rosa, about(version, "25.10")).assessment
    assert (done.problem, done.is_pending, done.readiness) == ("", False, Readiness.READY)


def test_who_dies_leaves_it_to_the_next(story: Story) -> None:
    """But not without end: then that is what the report says."""
    world = story.world
    version = story.vetted(story.push(FILES))
    ask(story, version, "25.10")
    for _ in range(ATTEMPTS_MAX):
        assert len(world.assessments.claim(5)) == 1
        assert world.assessments.claim(5) == []
        world.clock.advance(LEASE_US)
    assert assess_all(world) == 1
    assert world.assessor.asked == []
    report = known(story, version, "25.10")
    assert report.readiness is Readiness.UNKNOWN
    assert [point.rule for point in report.points] == ["READY-3"]


def test_a_long_assessment_is_nobody_elses(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as whoever is at it lives."""
    world = story.world
    version = story.vetted(story.push(FILES))
    ask(story, version, "25.10")
    (claim,) = world.assessments.claim(1)
    begun = claim.assessments[0].lease_until_us
    assess = world.assessor.assess

    def slow(*asked: Any) -> Sequence[Report]:
        world.clock.advance(LEASE_US - 1)
        patience = time.monotonic() + 20
        while lease() <= begun and time.monotonic() < patience:
            time.sleep(0.01)
        world.clock.advance(2)
        assert world.assessments.claim(1) == []
        return assess(*asked)

    def lease() -> int:
        found = world.database.read(lambda tx: tx.assessments.get(claim.subject, "25.10"))
        assert found is not None
        return found.lease_until_us

    monkeypatch.setattr(assessments, "RENEW_EVERY_S", 0.02)
    monkeypatch.setattr(world.assessor, "assess", slow)
    world.assessments.assess(claim)
    assert known(story, version, "25.10").readiness is Readiness.READY


def test_of_what_was_deleted_nothing_is_assessed(story: Story) -> None:
    world = story.world
    version = story.vetted(story.push(FILES))
    ask(story, version, "25.10")
    (claim,) = world.assessments.claim(1)
    gone = dataclasses.replace(
        claim.assessments[0], subject=claim.subject._replace(digest="sha256:gone")
    )
    world.assessments.assess(dataclasses.replace(claim, assessments=(gone,)))
    assert world.assessor.asked == []
