"""Waivers and later answers at every gate that asks about a version."""

from __future__ import annotations

import pytest

from registry.domain.access import Caller, Role
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome
from registry.domain.versions import Version, VersionState
from registry.domain.waivers import WaiverState
from registry.errors import PolicyRefusedError, TicketError
from registry.names import ModelName, PolicyChangeName, VersionName, WaiverName
from registry.ports.tables import EventQuery
from registry.services.downloads import RECHECK_US
from registry.testing.policies import shipped_files
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import grant

RULE = """rules:
- id: SMALL
  waivable: true
  require: "version.size_bytes > 20"
  message: "{version.ref} has {version.size_bytes} bytes, expected more than 20."
  fix: "Ask for a waiver: hallmark waiver request SMALL {version.model} --reason WHY"
"""
EXAMPLE = """tests:
- name: one of hardly any bytes
  given: {version: {size_bytes: 1}}
  refused: [SMALL]
"""


def with_rule(gate: str) -> list[tuple[str, bytes]]:
    """The shipped set with a waivable rule at a gate."""
    made = dict(shipped_files())
    text = made[f"{gate}.yaml"].decode()
    text = text.replace("rules:\n", RULE, 1).replace("tests:\n", EXAMPLE, 1)
    return list((made | {f"{gate}.yaml": text.encode()}).items())


def activate(story: Story, content: list[tuple[str, bytes]]) -> None:
    policies = story.world.policies
    one, other = (story.world.login(id, grant(Role.SECURITY)).caller for id in ("pat", "max"))
    change = policies.propose(one, content, note="n", validate_only=False, request_id="")
    name = PolicyChangeName(number=change.number)
    policies.decide(other, name, outcome=Outcome.APPROVE, digest=change.digest, comment="")


def waived(
    story: Story, target: ModelName | VersionName, stage: str = "", by: Caller | None = None
) -> WaiverName:
    waivers = story.world.waivers
    asked = waivers.request(
        story.alice,
        target,
        rule="SMALL",
        reason="r",
        stage=stage,
        expire_time_us=None,
        request_id="",
    )
    name = WaiverName(number=asked.number)
    waivers.decide(by or story.sam, name, outcome=Outcome.APPROVE, comment="", policy_digest="")
    return name


def releases(story: Story) -> list[str]:
    query = EventQuery(namespace="fraud", action="version.release")
    found = story.world.database.read(lambda tx: tx.events.list(query, None, 99))
    return [event.resource for event in found]


def held(story: Story) -> Version:
    """A version that vetting passed, and that the gate release holds back."""
    activate(story, with_rule("release"))
    version = story.vetted(story.push())
    assert version.state is VersionState.VETTED
    assert story.world.releases.release_due() == 0
    return version


@pytest.mark.slow
def test_what_a_waiver_lets_out_is_released(story: Story) -> None:
    """The gate release is asked again for what it held back, and told once."""
    version = held(story)
    waived(story, name_of(version), stage="production")
    assert story.world.releases.release_due() == 0  # a waiver for a stage is not one for this gate
    waived(story, name_of(version))
    assert story.world.releases.release_due() == 1
    assert story.now(version).state is VersionState.RELEASED
    assert releases(story) == [version.name]
    assert story.world.releases.release_due() == 0


def test_what_another_policy_lets_out_is_released(story: Story) -> None:
    """As soon as the rule is gone; what was yanked meanwhile stays so."""
    version, yanked = held(story), story.vetted(story.push({"a.txt": b"1"}))
    story.world.yanks.yank(story.alice, name_of(yanked), reason="r", validate_only=False)
    activate(story, list(shipped_files().items()))
    assert story.world.releases.release_due() == 1
    assert story.now(version).state is VersionState.RELEASED
    assert story.now(yanked).state is VersionState.YANKED


def test_all_that_wait_have_their_turn(story: Story) -> None:
    """However many are held back for good, those behind them are asked about too."""
    versions = [held(story)] + [story.vetted(story.push({"a.txt": b"%d" % n})) for n in range(4)]
    waived(story, name_of(versions[-1]))
    assert [story.world.releases.release_due(limit=2) for _ in range(3)] == [0, 0, 1]
    waived(story, name_of(versions[0]))
    assert story.world.releases.release_due(limit=2) == 1


def test_a_waiver_opens_the_gate_fetch_for_its_time(story: Story) -> None:
    """And no longer: addresses from before end with it."""
    world = story.world
    version = story.released()
    activate(story, with_rule("fetch"))
    with pytest.raises(PolicyRefusedError, match="SMALL"):
        world.downloads.create(story.rosa, name_of(version), digest="", paths=())
    waiver = waived(story, name_of(version))
    made = world.downloads.create(story.rosa, name_of(version), digest="", paths=())
    ticket = made.files[0][1]
    assert world.downloads.open(ticket).digest == version.digest
    world.waivers.revoke(story.alice, waiver, comment="")
    with pytest.raises(TicketError, match="SMALL"):
        world.downloads.open(ticket)


def test_a_waiver_that_ends_cuts_a_download(story: Story) -> None:
    """The gate is asked again of what is taken slowly, though its token has expired before."""
    world = story.world
    activate(story, with_rule("fetch"))
    version = story.vetted(story.push({"a.txt": b"1", "b.txt": b"2"}))
    waiver = waived(story, name_of(version))
    brief = world.login("rosa", ttl_us=RECHECK_US).caller
    made = world.downloads.create(brief, name_of(version), digest="", paths=())
    pieces = world.downloads.read(world.downloads.open(made.files[0][1]))
    world.clock.advance(RECHECK_US)
    assert next(pieces) == b"1"
    world.waivers.revoke(story.alice, waiver, comment="")
    world.clock.advance(RECHECK_US)
    with pytest.raises(TicketError, match="SMALL"):
        next(pieces)


@pytest.mark.slow
def test_a_waiver_of_the_model_opens_the_gate_register(story: Story) -> None:
    """The version is not there yet, so that nothing else could be waived; and not for those who
    granted it."""
    story.push()
    activate(story, with_rule("register"))
    with pytest.raises(PolicyRefusedError, match="SMALL"):
        story.push({"a.txt": b"1"})
    both = story.world.caller(
        "olga", grant(Role.SECURITY, "fraud"), grant(Role.REGISTRANT, "fraud")
    )
    waiver = waived(story, NAME, by=both)
    assert story.push({"a.txt": b"1"}).number == 2
    with pytest.raises(PolicyRefusedError, match="SMALL"):
        story.push({"a.txt": b"2"}, by=both)
    story.world.waivers.revoke(story.alice, waiver, comment="")
    with pytest.raises(PolicyRefusedError, match="SMALL"):
        story.push({"a.txt": b"3"})


@pytest.mark.parametrize("gate", ["register", "release", "fetch"])
@pytest.mark.slow
def test_trying_a_gate_sees_waivers(story: Story, gate: str) -> None:
    """As the gate itself does."""
    version = story.released()
    activate(story, with_rule(gate))
    waiver = waived(story, NAME)
    answer = story.world.trials.evaluate(story.rosa, name_of(version), gate, "")
    assert {r.rule: r.waived_by for r in answer.results}["SMALL"] == f"{waiver}"


@pytest.mark.slow
def test_a_waiver_dies_with_the_policy(story: Story) -> None:
    """It was granted for a rule as that stood then: under another set it lets nothing pass and says
    so, under the old one it counts again."""
    waivers, version = story.world.waivers, held(story)
    name = waived(story, name_of(version))
    rule = dict(with_rule("release"))
    stricter = rule["release.yaml"].replace(b"size_bytes > 20", b"size_bytes > 21")
    activate(story, list((rule | {"release.yaml": stricter}).items()))
    assert story.world.releases.release_due() == 0
    shown = waivers.get(story.rosa, name)
    assert (shown.state, shown.lapsed) == (WaiverState.GRANTED, True)
    listed = waivers.list(
        story.rosa, model=NAME, namespace=None, state=None, rule="", page=PageRequest(size=9)
    )
    assert [each.lapsed for each in listed.items] == [True]
    again = waived(story, name_of(version))
    assert not waivers.get(story.rosa, again).lapsed
    assert story.world.releases.release_due() == 1
    activate(story, list(rule.items()))
    assert not waivers.get(story.rosa, name).lapsed


def test_a_waiver_of_a_version_dies_with_its_verdict(story: Story) -> None:
    """One that was granted before vetting was over does not count after it; one for the model is
    not about what vetting found."""
    activate(story, with_rule("release"))
    version = story.push()
    name = waived(story, name_of(version))
    assert story.vetted(version).state is VersionState.VETTED
    assert story.world.waivers.get(story.rosa, name).lapsed
    waived(story, NAME)
    assert story.world.releases.release_due() == 1
