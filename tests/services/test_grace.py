"""The period of grace of versions that were released and that vetting has turned against."""

from __future__ import annotations

import json

import pytest

from registry.domain.access import Caller, Role
from registry.domain.canonical import canonical_json
from registry.domain.pages import PageRequest
from registry.domain.policy_sets import digest_of
from registry.domain.promotions import Outcome
from registry.domain.references import ReferenceKind
from registry.domain.versions import Verdict, Version, VersionState
from registry.errors import InvalidStateError, PolicyRefusedError
from registry.names import PolicyChangeName, ReferenceName
from registry.ports.database import Transaction
from registry.ports.tables import EventQuery
from registry.testing.policies import shipped, shipped_files
from registry.testing.reruns import Judge, rerun, run_all
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import World, grant

FAIL, UNKNOWN = Verdict.FAIL, Verdict.UNKNOWN
QUARANTINED, RELEASED, VETTED = (
    VersionState.QUARANTINED,
    VersionState.RELEASED,
    VersionState.VETTED,
)
HOUR_US = 3600 * 1_000_000


def give_grace(world: World, grace: str) -> None:
    """By a policy set that differs in nothing else; two people make it the active one."""
    content = dict(shipped_files())
    shipped = b"grace: {fail: 0h, unknown: 0h}"
    assert shipped in content["settings.yaml"]
    content["settings.yaml"] = content["settings.yaml"].replace(shipped, grace.encode())
    asker, decider = (world.caller(fresh, grant(Role.ADMIN)) for fresh in ("adam", "ada"))
    change = world.policies.propose(
        asker, list(content.items()), note=grace, validate_only=False, request_id=""
    )
    world.policies.decide(
        decider,
        PolicyChangeName(number=change.number),
        outcome=Outcome.APPROVE,
        digest=change.digest,
        comment="",
    )


@pytest.mark.slow
@pytest.mark.parametrize(("verdict", "hours"), [(FAIL, 2), (UNKNOWN, 72)])
def test_a_released_version_has_its_grace(
    story: Story, judge: Judge, eve: Caller, verdict: Verdict, hours: int
) -> None:
    """It stays released for as long as the policy says since the verdict first turned against it,
    however often it is looked at again, and is promoted no more; then it is in quarantine."""
    world = story.world
    give_grace(world, "grace: {fail: 2h, unknown: 72h}")
    version = story.released({"a.txt": b"1"})
    judge.says[version.number] = verdict
    rerun(story, eve, version.name)
    run_all(story)
    now = story.now(version)
    assert now.vetting is not None
    assert (now.state, now.vetting.verdict) == (RELEASED, verdict)
    with pytest.raises(PolicyRefusedError, match="VETTED"):
        story.ask(version)
    world.clock.advance(hours * HOUR_US - 60_000_000)
    rerun(story, eve, version.name)
    run_all(story)
    assert world.releases.quarantine_due() == 0
    assert story.now(version).state is RELEASED
    world.clock.advance(60_000_000)
    assert world.releases.quarantine_due() == 1
    assert world.releases.quarantine_due() == 0
    assert story.now(version).state is QUARANTINED
    query = EventQuery(namespace="fraud", action="version.quarantine")
    told = world.database.read(lambda tx: tx.events.list(query, None, 9))
    assert [event.resource for event in told] == [version.name]
    assert json.loads(told[0].detail_json)["verdict"] == verdict.value


@pytest.mark.slow
def test_grace_ends_with_a_pass_and_with_the_policy(
    story: Story, judge: Judge, eve: Caller
) -> None:
    """A version that passes again is out of it; and where the policy gives none any more, the
    others are in quarantine at once. What was never released has none."""
    world = story.world
    give_grace(world, "grace: {fail: 2h, unknown: 72h}")
    mended, left, vetted = (story.released({"a.txt": b"%d" % number}) for number in range(3))
    world.database.write(lambda tx: tx.versions.set_state(vetted.key, VETTED))
    judge.says = {each.number: UNKNOWN for each in (mended, left, vetted)}
    rerun(story, eve, mended.model_name)
    run_all(story)
    states = [story.now(each).state for each in (mended, left, vetted)]
    assert states == [RELEASED, RELEASED, QUARANTINED]
    judge.says = {left.number: UNKNOWN}
    rerun(story, eve, mended.name)
    run_all(story)
    world.clock.advance(9)
    give_grace(world, "grace: {fail: 1h, unknown: 0h}")
    assert world.releases.quarantine_due() == 1
    assert [story.now(each).state for each in (mended, left)] == [RELEASED, QUARANTINED]


@pytest.mark.slow
def test_grace_is_no_way_around(story: Story, judge: Judge, eve: Caller) -> None:
    """A version in its period of grace comes back by no rollback; and one that was yanked meanwhile
    is not to be had by its digest once the period is over."""
    world = story.world
    give_grace(world, "grace: {fail: 2h, unknown: 2h}")
    first, second = (story.released({"a.txt": b"%d" % number}) for number in range(2))
    story.promote(first)
    story.promote(second)
    judge.says = {first.number: FAIL}
    rerun(story, eve, first.name)
    run_all(story)
    assert story.now(first).state is RELEASED
    with pytest.raises(InvalidStateError, match="vetting says fail"):
        world.stages.rollback(
            story.dora,
            NAME,
            stage="production",
            version=name_of(first),
            to_empty=False,
            expected_current=0,
            note="why",
            validate_only=False,
            request_id="",
        )
    world.yanks.yank(story.alice, name_of(first), reason="bad", validate_only=False)
    assert story.now(first).yanked_from is RELEASED
    world.clock.advance(2 * HOUR_US)
    assert world.releases.quarantine_due() == 1
    now = story.now(first)
    assert (now.state, now.yanked_from) == (VersionState.YANKED, QUARANTINED)
    assert world.releases.quarantine_due() == 0


def ends(story: Story, version: Version) -> list[int | None]:
    """When its grace ends, by each way in which a version is shown."""
    world, rosa = story.world, story.rosa
    listed = world.versions.list(
        rosa, NAME, state=None, digest=version.digest, order_by="", page=PageRequest()
    )
    found = world.trait_searches.versions(
        rosa,
        "fraud",
        traits=("format=text",),
        parameters_min=0,
        parameters_max=0,
        page=PageRequest(),
    )
    shown = [
        world.versions.get(rosa, name_of(version)),
        *(world.references.resolve(rosa, NAME, by).version for by in ("1", version.digest, "best")),
        *listed.items,
        *found.items,
    ]
    assert {each.name for each in shown} == {version.name}
    assert len(shown) == 6
    return [each.grace_end_us for each in shown]


@pytest.mark.slow
def test_the_end_is_told(story: Story, judge: Judge, eve: Caller) -> None:
    """Wherever a version is shown, from the verdict against it on and counted from there; it moves
    with the policy, a yank does not end it, and there is none before and after."""
    world = story.world
    give_grace(world, "grace: {fail: 2h, unknown: 72h}")
    version = story.released({"a.txt": b"1"})
    world.references.set(
        story.alice,
        ReferenceName(model=NAME, reference="best"),
        kind=ReferenceKind.ALIAS,
        target=version.name,
        expected_target="",
    )
    assert set(ends(story, version)) == {None}
    judge.says[version.number] = FAIL
    rerun(story, eve, version.name)
    run_all(story)
    vetting = story.now(version).vetting
    assert vetting is not None
    assert set(ends(story, version)) == {vetting.time_us + 2 * HOUR_US}
    give_grace(world, "grace: {fail: 3h, unknown: 72h}")
    assert set(ends(story, version)) == {vetting.time_us + 3 * HOUR_US}
    yanked = world.yanks.yank(story.alice, name_of(version), reason="bad", validate_only=False)
    back = world.yanks.unyank(story.alice, name_of(version))
    assert yanked.grace_end_us == back.grace_end_us == vetting.time_us + 3 * HOUR_US
    world.clock.advance(3 * HOUR_US)
    assert world.releases.quarantine_due() == 1
    assert set(ends(story, version)) == {None}


def activate_without_grace(world: World) -> None:
    """The shipped set as it was stored before there was such a setting."""
    value = json.loads(shipped().policy.policy_set.content())
    del value["settings"]["grace"]
    content = canonical_json(value, field="policy set")

    def fn(tx: Transaction) -> None:
        now, before = world.clock.now_us(), tx.policies.active()
        tx.policies.put(digest_of(content), content, now)
        assert tx.policies.activate(digest_of(content), before, now)

    world.database.write(fn)


@pytest.mark.slow
@pytest.mark.parametrize("verdict", [FAIL, UNKNOWN])
def test_a_set_of_before_gives_none(
    story: Story, judge: Judge, eve: Caller, verdict: Verdict
) -> None:
    """A policy set without the setting stops neither vetting nor the sweep: a version that vetting
    turns against is in quarantine at once, and so is one that had its grace by the set before."""
    world = story.world
    give_grace(world, "grace: {fail: 2h, unknown: 2h}")
    had, has_none, sound = (story.released({"a.txt": b"%d" % number}) for number in range(3))
    judge.says = {had.number: verdict}
    rerun(story, eve, had.name)
    run_all(story)
    assert story.now(had).state is RELEASED
    activate_without_grace(world)
    judge.says = {has_none.number: verdict}
    rerun(story, eve, has_none.name)
    rerun(story, eve, sound.name)
    run_all(story)
    assert story.now(has_none).state is QUARANTINED
    vetting = story.now(had).vetting
    assert vetting is not None
    shown = world.versions.get(story.rosa, name_of(had))
    assert (shown.state, shown.grace_end_us) == (RELEASED, vetting.time_us)
    assert world.releases.quarantine_due() == 1
    assert [story.now(each).state for each in (had, sound)] == [QUARANTINED, RELEASED]
