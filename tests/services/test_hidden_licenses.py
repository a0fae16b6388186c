"""A gate judges by the licenses of everything above a version, and tells nobody of what is hidden
from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from registry.domain.access import Caller, Role
from registry.domain.promotions import Outcome, Promotion
from registry.domain.versions import Version
from registry.errors import PolicyRefusedError
from registry.names import PolicyChangeName, PromotionName, VersionName
from registry.services import facts
from registry.services.facts import bases_above
from registry.testing.policies import shipped_files
from registry.testing.story import Story, name_of
from registry.testing.world import World, grant

SECRET = "secret-license-7"
MIDDLE = VersionName.parse("models/lab/middle/versions/2")
#: It tells of what stands above in every way that a rule can.
GATE = """
gate: {gate}
lets:
  strange: "version.base_licenses.filter(l, l != 'mit')"
rules:
- id: ABOVE
  require: "strange.size() == 0 || {unless}"
  waits: {waits}
  message: "{{strange}} of {{version.bases.map(b, b.name)}}, {{version.bases.size()}} in all"
  fix: "Ask about {{strange}}: hallmark lineage {{version.ref}}"
- id: GEMMA
  require: "!('secret-license-7' in version.base_licenses) || {unless}"
  waits: {waits}
  message: "{{version.base_licenses[0]}} of {{version.bases[0].name}}"
  fix: "Ask about {{version.bases[0].name}}: hallmark lineage {{version.ref}}"
tests:
- name: nothing above
  accepted: true
- name: something above
  given: {{version: {{base_licenses: [secret-license-7]}}}}
  refused: [ABOVE, GEMMA]
"""


def activate(world: World, gate: str, *, waits: bool = False) -> None:
    made = dict(shipped_files())
    unless = "decisions.size() >= 2" if waits else "false"
    text = GATE.format(gate=gate, waits=str(waits).lower(), unless=unless)
    if waits:
        text = text.replace("given: {version", "given: {decisions: [], version")
    made[f"{gate}.yaml"] = text.encode()
    change = world.policies.propose(
        world.caller("sid", grant(Role.SECURITY)),
        list(made.items()),
        note="why",
        validate_only=False,
        request_id="",
    )
    world.policies.decide(
        world.caller("eve", grant(Role.ADMIN)),
        PolicyChangeName(number=change.number),
        outcome=Outcome.APPROVE,
        digest=change.digest,
        comment="",
    )


def card(license: str) -> bytes:
    return f"---\nlicense: {license}\n---\n# m\n".encode()


@pytest.fixture
def lena(story: Story) -> Caller:
    """Who may read what stands above, and registers in lab."""
    return story.world.caller(
        "lena", grant(Role.REGISTRANT, "lab"), grant(Role.READER, "hush"), grant(Role.READER)
    )


@pytest.fixture
def child(story: Story, lena: Caller) -> Version:
    """A version of lab/child, made from one of lab/middle that was made from one of hush/base,
    which was made from another of lab/middle."""
    world = story.world
    for path in ("lab/child", "lab/middle", "hush/base"):
        world.model(path)
    hal = world.caller("hal", grant(Role.REGISTRANT, "hush"), grant(Role.READER, "lab"))
    top = story.push({"README.md": card("top-license")}, model="lab/middle", by=lena)
    hidden = story.push({"README.md": card(SECRET)}, model="hush/base", bases=(top,), by=hal)
    middle = story.push({"README.md": card("mit")}, model="lab/middle", bases=(hidden,), by=lena)
    return story.vetted(story.push(model="lab/child", bases=(middle,), by=lena))


@pytest.fixture
def lars(story: Story) -> Caller:
    """Who may do everything in lab, and nothing in hush."""
    roles = (Role.REGISTRANT, Role.REVIEWER, Role.DEPLOYER, Role.SECURITY)
    return story.world.caller("lars", *(grant(role, "lab") for role in roles))


def told_of(found: object) -> set[str]:
    """Which words of what is hidden stand in something."""
    text = repr(found)
    return {word for word in (SECRET, "top-license", "hush", "middle/versions/1") if word in text}


@pytest.mark.parametrize("gate", ["register", "release", "promote", "fetch"])
def test_trials_tell_nothing_of_hidden_bases(
    story: Story, child: Version, lars: Caller, lena: Caller, gate: str
) -> None:
    """Who tries a gate learns whether it stands open, and of hidden bases nothing; who may read
    them is told all."""
    activate(story.world, gate)
    seen, whole = (
        story.world.trials.evaluate(who, name_of(child), gate, "production") for who in (lars, lena)
    )
    assert not told_of(seen.results)
    failed = {each.rule: each.message for each in seen.results if not each.passed}
    assert failed["ABOVE"].startswith("hidden of models/lab/middle/versions/2, 1 in all")
    # Shown nothing but what is hidden, this rule would have passed: its words are ours.
    assert "may read" in failed["GEMMA"]
    assert told_of(whole.results) == {SECRET, "top-license", "hush", "middle/versions/1"}


@pytest.mark.parametrize("gate", ["promote", "fetch"])
def test_refusals_tell_nothing_of_hidden_bases(
    story: Story, child: Version, lars: Caller, gate: str
) -> None:
    """A refusal says that a rule failed, in words that name nothing hidden."""
    world = story.world
    activate(world, gate)
    calls: dict[str, Callable[[], object]] = {
        "fetch": lambda: world.downloads.create(lars, name_of(child), digest="", paths=[]),
        "promote": lambda: _ask(world, lars, child),
    }
    with pytest.raises(PolicyRefusedError) as refused:
        calls[gate]()
    assert "ABOVE" in str(refused.value)
    assert not told_of((refused.value, vars(refused.value)))


def test_registrations_are_refused_without_naming_hidden_bases(
    story: Story, child: Version, lars: Caller
) -> None:
    """Who may read a base alone, and not what that was made from, is told of it alone."""
    activate(story.world, "register")
    story.send({"b": b"b"}, namespace="lab")
    with pytest.raises(PolicyRefusedError) as refused:
        story.push({"b": b"b"}, model="lab/child", bases=(child,), by=lars)
    assert "lab/child/versions/1" in str(refused.value)
    assert not told_of((refused.value, vars(refused.value)))


def test_promotions_wait_in_words_for_everybody(
    story: Story, child: Version, lars: Caller, lena: Caller
) -> None:
    """What a promotion waits for is stored once for all who read it, whoever asked or decided."""
    world = story.world
    activate(world, "promote", waits=True)
    asker = world.caller("olga", grant(Role.REGISTRANT), grant(Role.REVIEWER))
    asked = _ask(world, asker, child)
    name = PromotionName(number=asked.number)
    decided = world.promotions.decide(
        world.caller("otto", grant(Role.REVIEWER)),
        name,
        outcome=Outcome.APPROVE,
        comment="",
        digest=child.digest,
        expected_current=0,
    )
    for each in (asked, decided, world.promotions.get(lars, name)):
        assert {rule.rule for rule in each.waiting} == {"ABOVE", "GEMMA"}
        assert not told_of(each)


def test_explanations_leave_out_hidden_bases(
    story: Story, child: Version, lars: Caller, lena: Caller
) -> None:
    """Who explains a decision is shown the document and the words without what they may not read,
    also when the edge to it is gone since."""
    world = story.world
    activate(world, "promote", waits=True)
    name = PromotionName(number=_ask(world, lena, child).number)
    world.lineage.delete(lena, name_of(child), MIDDLE)
    seen, whole = (world.policies.explain(who, name, None) for who in (lars, lena))
    assert not told_of((seen.document, seen.then, seen.again))
    assert b'"hidden"' in seen.document
    assert (seen.is_whole, seen.equal) == (False, True)
    assert (whole.is_whole, whole.equal) == (True, True)
    assert len(told_of(whole.document)) == 4


def test_the_license_of_a_declared_base_cannot_be_washed_off(
    story: Story, child: Version, lars: Caller, lena: Caller
) -> None:
    """What a version was declared to be made from counts, though the edge is taken back."""
    world = story.world
    activate(world, "promote")
    world.lineage.delete(lena, name_of(child), MIDDLE)
    with pytest.raises(PolicyRefusedError, match="ABOVE"):
        _ask(world, lars, child)


def test_what_is_too_much_to_look_at_has_no_license(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing escapes by standing further away than a gate looks, or behind too many others."""
    monkeypatch.setattr(facts, "LEVELS_MAX", 2)
    monkeypatch.setattr(facts, "ABOVE_MAX", 3)
    made = [story.push({"README.md": card("mit"), "n": bytes([n])}) for n in range(6)]
    chain = story.push(bases=(made[0],))
    for n in range(1, 4):
        chain = story.push({"w": bytes([n])}, bases=(chain,))
    wide = story.push({"w": b"wide"}, bases=tuple(made))
    wider = story.push({"w": b"wider"}, bases=(wide,))
    for version in (chain, wider):
        above = story.world.database.read(partial(bases_above, versions=[version]))
        assert "" in {base.license for base in above}


def _ask(world: World, who: Caller, version: Version) -> Promotion:
    return world.promotions.create(
        who,
        name_of(version),
        stage="production",
        note="",
        expected_current=0,
        expire_time_us=None,
        validate_only=False,
        request_id="",
    )
