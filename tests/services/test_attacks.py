"""What somebody tries who has roles, tokens and patience, and means ill."""

from __future__ import annotations

import json

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.policy_sets import PolicyChange
from registry.domain.promotions import Outcome, PromotionState
from registry.domain.scopes import Scope
from registry.domain.terms import AcceptanceState
from registry.domain.times import show_time
from registry.domain.waivers import WaiverState
from registry.errors import PermissionDeniedError, PolicyRefusedError, TicketError
from registry.names import (
    AcceptanceName,
    ModelName,
    PolicyChangeName,
    PrincipalName,
    PromotionName,
    WaiverName,
)
from registry.testing.policies import shipped_files
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, World, grant

READING = (Scope(action="*.read"),)


def files(file: str, old: str, new: str) -> list[tuple[str, bytes]]:
    """The shipped set with one text replaced."""
    made = dict(shipped_files())
    assert old.encode() in made[file]
    made[file] = made[file].replace(old.encode(), new.encode(), 1)
    return list(made.items())


STRICTER = files("settings.yaml", "approval_validity: 2160h", "approval_validity: 24h")
FLOOR = {"stage": "production", "evaluation": "holdout", "dataset": f"sha256:{'1' * 64}"}
A_FLOOR = files(
    "settings.yaml", "floors: []", f"floors: [{json.dumps(FLOOR | {'metric': 'auc', 'least': 1})}]"
)
HELD = """rules:
- id: HELD
  require: "!(version.ref in ['fraud/scorer@1'])"
  message: "{version.ref} is held back."
  fix: "Wait: hallmark version show {version.ref}"
"""
HELD_EXAMPLE = """tests:
- name: one that is held
  given: {version: {ref: fraud/scorer@1}}
  refused: [HELD]
"""


def propose(world: World, by: Caller, content: list[tuple[str, bytes]]) -> PolicyChange:
    return world.policies.propose(by, content, note="why", validate_only=False, request_id="")


def agree(world: World, by: Caller, change: PolicyChange) -> PolicyChange:
    name = PolicyChangeName(number=change.number)
    return world.policies.decide(
        by, name, outcome=Outcome.APPROVE, digest=change.digest, comment=""
    )


def activate(world: World, content: list[tuple[str, bytes]]) -> None:
    """By two people who have nothing to do with the rest."""
    one, other = (world.login(id, grant(Role.SECURITY)).caller for id in ("pat", "max"))
    agree(world, other, propose(world, one, content))


def token_of(world: World, by: Caller, owner: Caller) -> Caller:
    """The owner, with a token that somebody made for them."""
    _, secret = world.tokens.create(
        by,
        PrincipalName(principal=owner.id),
        label="",
        expire_time_us=world.clock.now_us() + DAY_US,
        request_id="",
    )
    return world.authenticator.authenticate(secret)


def narrowed(world: World, caller: Caller, *scopes: Scope) -> Caller:
    """The same principal, with a token that is good for less."""
    return world.login(caller.id, scopes=scopes).caller


@pytest.mark.slow
def test_a_token_made_with_a_lent_one_agrees_to_no_policy(world: World) -> None:
    """An administrator makes a token for another, with it a second one that says that the other
    made it, and agrees to their own proposal: refused. So is the same the other way round."""
    adele = world.caller("adele", grant(Role.ADMIN))
    eve = world.caller("eve", grant(Role.SECURITY))
    laundered = token_of(world, token_of(world, adele, eve), eve)
    assert laundered.token.creator == "principals/eve"
    with pytest.raises(PermissionDeniedError, match="neither made"):
        agree(world, laundered, propose(world, adele, STRICTER))
    with pytest.raises(PermissionDeniedError, match="neither made"):
        agree(world, adele, propose(world, laundered, A_FLOOR))


def test_a_waiver_for_a_whole_model_by_a_contributor(story: Story) -> None:
    """Somebody who secures and registers grants a waiver for the model, which names no version,
    and registers one that needs it: for that one it does not count, for another's it does."""
    world = story.world
    both = world.caller("olga", grant(Role.SECURITY, "fraud"), grant(Role.REGISTRANT, "fraud"))
    activate(world, A_FLOOR)
    asked = world.waivers.request(
        story.alice, NAME, rule="METRIC-1", reason="r", stage="", expire_time_us=None, request_id=""
    )
    granted = world.waivers.decide(
        both,
        WaiverName(number=asked.number),
        outcome=Outcome.APPROVE,
        comment="",
        policy_digest="",
    )
    assert granted.state is WaiverState.GRANTED
    with pytest.raises(PolicyRefusedError, match="METRIC-1"):
        story.ask(story.vetted(story.push({"w.txt": b"hers"}, by=both)))
    assert story.promote(story.released({"w.txt": b"his"})).state is PromotionState.COMPLETED


@pytest.mark.slow
def test_addresses_from_before_a_stricter_policy(story: Story) -> None:
    """An address made under one set is judged by the next one, once that is active: bytes that the
    gate no longer lets leave do not leave for another day."""
    world = story.world
    version = story.released()
    made = world.downloads.create(story.rosa, name_of(version), digest="", paths=())
    ticket = made.files[0][1]
    assert world.downloads.open(ticket).digest == version.digest
    held = dict(files("fetch.yaml", "rules:\n", HELD))
    held["fetch.yaml"] = held["fetch.yaml"].replace(b"tests:\n", HELD_EXAMPLE.encode(), 1)
    activate(world, list(held.items()))
    with pytest.raises(TicketError, match="HELD"):
        world.downloads.open(ticket)
    activate(world, list(shipped_files().items()))
    assert world.downloads.open(ticket).digest == version.digest


@pytest.mark.slow
def test_an_address_ends_when_time_ends_what_allowed_it(story: Story) -> None:
    """A gate that reads the time is asked again for each request: no address that was made before a
    freeze outlives its start, though the policy is the same."""
    world = story.world
    version = story.released()
    start = world.clock.now_us() + DAY_US
    rule = f"""rules:
- id: FROZEN
  require: "version.size_bytes > 1000 || timestamp(now) < timestamp('{show_time(start)}')"
  message: "{{version.ref}} leaves no more at {{now}}."
  fix: "Wait: hallmark version show {{version.ref}}"
"""
    example = """tests:
- name: past the date
  given: {now: "2099-01-01T00:00:00Z", version: {size_bytes: 1}}
  refused: [FROZEN]
"""
    frozen = dict(files("fetch.yaml", "rules:\n", rule))
    frozen["fetch.yaml"] = frozen["fetch.yaml"].replace(b"tests:\n", example.encode(), 1)
    activate(world, list(frozen.items()))
    world.clock.advance(DAY_US - 1)
    made = world.downloads.create(story.rosa, name_of(version), digest="", paths=())
    ticket = made.files[0][1]
    assert world.downloads.open(ticket).digest == version.digest
    world.clock.advance(1)
    with pytest.raises(TicketError, match="FROZEN"):
        world.downloads.open(ticket)


def test_a_token_for_reading_takes_nothing_back(story: Story) -> None:
    """A stolen token that is good for reading alone ends nothing that its owner asked for or was
    given: no waiver, no acceptance, no proposal of a policy."""
    world = story.world
    asked = world.waivers.request(
        story.alice, NAME, rule="METRIC-1", reason="r", stage="", expire_time_us=None, request_id=""
    )
    with pytest.raises(PermissionDeniedError):
        world.waivers.withdraw(
            narrowed(world, story.alice, *READING), WaiverName(number=asked.number)
        )
    terms = world.terms.set(
        story.sam,
        NAME,
        label="v1",
        text="t",
        url="",
        validity_days=1,
        approval_required=False,
        etag="",
    )
    accepted = world.acceptances.accept(
        story.rosa, NAME, terms_digest=terms.digest, on_behalf_of=""
    )
    name = AcceptanceName(number=accepted.number)
    rosa = narrowed(world, story.rosa, *READING)
    with pytest.raises(PermissionDeniedError):
        world.acceptances.revoke(rosa, name, comment="")
    assert world.acceptances.get(rosa, name).state is AcceptanceState.GRANTED
    elsewhere = narrowed(world, story.rosa, Scope(action="*", model="fraud/other"))
    with pytest.raises(PermissionDeniedError):
        world.acceptances.get(elsewhere, name)
    pat = world.caller("pat", grant(Role.SECURITY))
    change = PolicyChangeName(number=propose(world, pat, STRICTER).number)
    with pytest.raises(PermissionDeniedError):
        world.policies.withdraw(narrowed(world, pat, *READING), change)


def test_a_token_for_one_model_withdraws_its_waivers(story: Story) -> None:
    """What a token may ask for it may take back."""
    alice = narrowed(story.world, story.alice, Scope(action="waiver.*", model="fraud/scorer"))
    asked = story.world.waivers.request(
        alice, NAME, rule="METRIC-1", reason="r", stage="", expire_time_us=None, request_id=""
    )
    gone = story.world.waivers.withdraw(alice, WaiverName(number=asked.number))
    assert gone.state is WaiverState.WITHDRAWN


def test_explaining_does_not_tell_which_promotions_there_are(story: Story) -> None:
    """Whoever reads all but one namespace is told the same of its promotions and of none."""
    promotion = story.promote(story.released())
    outside = story.world.caller(
        "oscar", grant(Role.READER), grant(Role.READER, "fraud", deny=True)
    )
    said = set()
    for number in (promotion.number, promotion.number + 1):
        with pytest.raises(PermissionDeniedError) as refused:
            story.world.policies.explain(outside, PromotionName(number=number), None)
        said.add(str(refused.value).replace(str(number), "N"))
    assert len(said) == 1


def test_accepting_for_a_robot_does_not_tell_which_models_there_are(story: Story) -> None:
    """An administrator who is denied a namespace learns of no model or terms in it."""
    adele = story.world.caller("adele", grant(Role.ADMIN), grant(Role.ADMIN, "fraud", deny=True))
    story.world.login("robot", kind=PrincipalKind.ROBOT)
    for model in (NAME, ModelName(path="fraud/none")):
        with pytest.raises(PermissionDeniedError):
            story.world.acceptances.accept(
                adele, model, terms_digest="sha256:0", on_behalf_of="robot"
            )


def test_who_asks_does_not_approve(story: Story) -> None:
    """Whoever asked for a promotion does not approve it, though they had no hand in the version and
    hold the role; somebody else does."""
    world = story.world
    dan = world.caller("dan", grant(Role.DEPLOYER, "fraud"), grant(Role.REVIEWER, "fraud"))
    version = story.released()
    asked = world.promotions.create(
        dan,
        name_of(version),
        stage="production",
        note="",
        expected_current=0,
        expire_time_us=None,
        validate_only=False,
        request_id="",
    )
    name = PromotionName(number=asked.number)
    with pytest.raises(PolicyRefusedError, match=r"SOD-1: dan registered .* or asked for this"):
        world.promotions.decide(
            dan,
            name,
            outcome=Outcome.APPROVE,
            comment="",
            digest=version.digest,
            expected_current=0,
        )
    assert world.promotions.get(dan, name).decisions == ()
    assert story.approve(asked).state is PromotionState.COMPLETED
