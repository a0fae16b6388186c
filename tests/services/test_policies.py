"""Policy sets in a registry: two people change them, decisions die with them, and are explained."""

from __future__ import annotations

import dataclasses
import json

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.pages import PageRequest
from registry.domain.policy_sets import PROPOSAL_TTL_US, ChangeState, PolicyChange
from registry.domain.promotions import Decision, Outcome, PromotionState
from registry.domain.versions import Version
from registry.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    InvalidRequestError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    PolicyRefusedError,
    TargetMovedError,
)
from registry.names import PolicyChangeName, PromotionName
from registry.ports.tables import EventQuery
from registry.services.policy_sets import ActivePolicies, bootstrap_policy
from registry.testing.policies import RememberingReader, shipped_files
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import World, grant

Files = list[tuple[str, bytes]]


def files(*changes: tuple[str, str, str]) -> Files:
    """The shipped files with text replaced: file, old, new."""
    made = dict(shipped_files())
    for file, old, new in changes:
        text = made[file].decode()
        assert old in text
        made[file] = text.replace(old, new, 1).encode()
    return list(made.items())


STRICTER = files(("settings.yaml", "approval_validity: 2160h", "approval_validity: 24h"))


@pytest.fixture
def sam(world: World) -> Caller:
    return world.caller("sam-everywhere", grant(Role.SECURITY))


@pytest.fixture
def eve(world: World) -> Caller:
    return world.caller("eve", grant(Role.ADMIN))


TWO = """rules:
- id: TWO
  when: "version.model in settings.custom.careful && request.note == 'please'"
  require: "others.size() >= 2"
  waits: true
  message: "{others.size()} of 2 approvals."
  fix: "Ask somebody else too: hallmark decide {request.promotion} --approve"
"""
TWO_EXAMPLES = """- name: one where two are asked for
  given: {request: {note: please}}
  refused: [TWO]
- name: approved by somebody else
"""


def propose(world: World, by: Caller, content: Files = STRICTER, note: str = "why") -> PolicyChange:
    return world.policies.propose(by, content, note=note, validate_only=False, request_id="")


def decide(
    world: World, by: Caller, change: PolicyChange, outcome: Outcome = Outcome.APPROVE
) -> PolicyChange:
    return world.policies.decide(
        by,
        PolicyChangeName(number=change.number),
        outcome=outcome,
        digest=change.digest,
        comment="",
    )


def activate(world: World, sam: Caller, eve: Caller, content: Files = STRICTER) -> str:
    return decide(world, eve, propose(world, sam, content)).digest


def actions(world: World) -> list[str]:
    query = EventQuery(namespace="", oldest_first=True)
    found = world.database.read(lambda tx: tx.events.list(query, None, 99))
    return [event.action for event in found]


def test_two_people_change_the_active_set(world: World, sam: Caller, eve: Caller) -> None:
    """A proposal changes nothing; a second person's yes makes it the active set at once, in another
    process too, and every step is in the audit log."""
    elsewhere = ActivePolicies(database=world.database, reader=RememberingReader())
    before = world.policy.digest
    change = propose(world, sam)
    assert (change.state, change.base_digest) == (ChangeState.PENDING, before)
    assert world.policies.active(eve).digest == before
    done = decide(world, eve, change)
    assert (done.state, done.decider) == (ChangeState.ACTIVATED, "eve")
    active = world.policies.active(sam)
    assert (active.digest, active.active) == (change.digest, True)
    assert not world.policies.get(sam, before).active
    assert world.policies.active_digest() == change.digest
    assert world.database.read(elsewhere.active).digest == change.digest
    assert actions(world) == ["policy.propose", "policy.activate", "policy.decide"]
    listed = world.policies.changes(sam, state=None, page=PageRequest())
    assert listed.items == (done,)


def test_nobody_agrees_with_themselves(world: World, sam: Caller, eve: Caller) -> None:
    """The proposer does not decide: not by themselves, nor by a second principal with the same
    stable id, nor with a token that one made for the other; and no robot does."""
    change = propose(world, sam)
    alias = dataclasses.replace(eve.principal, id="sam2", uid=sam.principal.uid)
    minted = dataclasses.replace(eve.token, creator=sam.principal.name)
    robot = dataclasses.replace(eve.principal, kind=PrincipalKind.ROBOT)
    for caller in (
        sam,
        dataclasses.replace(eve, principal=alias),
        dataclasses.replace(eve, token=minted),
        dataclasses.replace(eve, principal=robot),
    ):
        for outcome in Outcome:
            with pytest.raises(PermissionDeniedError):
                decide(world, caller, change, outcome)
    assert world.policies.active_digest() == change.base_digest
    with pytest.raises(PermissionDeniedError):
        propose(world, dataclasses.replace(eve, principal=robot))


def test_who_made_the_proposers_token_does_not_decide(
    world: World, sam: Caller, eve: Caller
) -> None:
    """An administrator who proposes through somebody's token cannot agree by their own name."""
    lent = dataclasses.replace(sam, token=dataclasses.replace(sam.token, creator="principals/eve"))
    change = propose(world, lent)
    with pytest.raises(PermissionDeniedError, match="neither made the other's token"):
        decide(world, eve, change)


def test_who_made_the_token_that_made_the_token(world: World, sam: Caller, eve: Caller) -> None:
    """Whoever proposes agrees with no token that was made with one they made, nor does whoever
    made a token of the proposer's at any time."""
    change = propose(world, sam)
    later = dataclasses.replace(
        eve.token, creator="principals/eve", earlier_makers=(sam.principal.name,)
    )
    with pytest.raises(PermissionDeniedError, match="neither made the other's token"):
        decide(world, dataclasses.replace(eve, token=later), change)
    world.login(sam.id, creator="principals/eve")
    with pytest.raises(PermissionDeniedError, match="neither made the other's token"):
        decide(world, eve, change)


def test_a_decision_is_on_a_digest(world: World, sam: Caller, eve: Caller) -> None:
    """Whoever looked at another set decides on nothing."""
    change = propose(world, sam)
    with pytest.raises(InvalidFieldError, match="policy show"):
        decide(world, eve, dataclasses.replace(change, digest="sha256:other"))


@pytest.mark.slow
def test_the_base_has_to_be_active_still(world: World, sam: Caller, eve: Caller) -> None:
    """A proposal that was compared with another set than the active one is ABORTED."""
    first = propose(world, sam)
    second = propose(world, sam, files(("settings.yaml", "336h", "48h")))
    decide(world, eve, first)
    with pytest.raises(TargetMovedError):
        decide(world, eve, second)
    assert world.policies.active_digest() == first.digest


def test_what_ended_stays_ended(world: World, sam: Caller, eve: Caller) -> None:
    """A repeat is answered; another word on what has ended is refused."""
    change = propose(world, sam)
    rejected = decide(world, eve, change, Outcome.REJECT)
    assert rejected.state is ChangeState.REJECTED
    assert decide(world, eve, change, Outcome.REJECT) == rejected
    with pytest.raises(InvalidStateError):
        decide(world, eve, change)
    again = propose(world, sam)
    name = PolicyChangeName(number=again.number)
    assert world.policies.withdraw(sam, name).state is ChangeState.WITHDRAWN
    assert world.policies.withdraw(sam, name).state is ChangeState.WITHDRAWN
    with pytest.raises(InvalidStateError):
        decide(world, eve, again)


@pytest.mark.slow
def test_a_proposal_repeats_safely(world: World, sam: Caller) -> None:
    """The same request_id gives the same proposal; the same set again is ALREADY_EXISTS."""
    made = [
        world.policies.propose(sam, STRICTER, note="n", validate_only=False, request_id="r")
        for _ in range(2)
    ]
    assert made[0] == made[1]
    with pytest.raises(AlreadyExistsError, match="policyChanges/"):
        propose(world, sam)
    with pytest.raises(AlreadyExistsError, match="active"):
        propose(world, sam, files())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (files(("fetch.yaml", "gate: fetch", "gate: fetched")), "fetch.yaml:3"),
        (files(("fetch.yaml", "== 'RELEASED' ||", "== 'VETTED' ||")), "fetch.yaml"),
        (files()[1:], "missing"),
    ],
)
@pytest.mark.slow
def test_bad_files_are_refused(world: World, sam: Caller, content: Files, expected: str) -> None:
    """Files that make no set, or fail their own examples, are refused with file and line."""
    with pytest.raises(InvalidRequestError, match=expected) as wrong:
        propose(world, sam, content)
    assert all(each.field.startswith("files[") for each in wrong.value.field_violations)


def test_files_come_once(world: World, sam: Caller) -> None:
    """A file that is sent twice is refused, whichever would win."""
    with pytest.raises(InvalidFieldError, match="twice"):
        propose(world, sam, [*files(), files()[0]])


@pytest.mark.slow
def test_stages_stay(world: World, sam: Caller) -> None:
    """A set with other stages is refused."""
    with pytest.raises(InvalidFieldError, match="first started"):
        propose(world, sam, files(("settings.yaml", "[staging, production]", "[production]")))


def test_a_dry_run_changes_nothing(world: World, sam: Caller) -> None:
    """A proposal that is only validated is judged whole, and stored nowhere."""
    world.policies.propose(sam, STRICTER, note="n", validate_only=True, request_id="")
    assert world.policies.changes(sam, state=None, page=PageRequest()).items == ()
    assert actions(world) == []


def test_a_first_start_activates_once(world: World) -> None:
    """A registry with an active set keeps it, whatever files a start brings."""
    before = world.policies.active_digest()
    bootstrap_policy(world.database, world.clock, world.reader, dict(STRICTER))
    assert world.policies.active_digest() == before


# --- What the active set does -------------------------------------------------------------------


@pytest.mark.slow
def test_a_set_that_asks_for_more(story: Story, sam: Caller, eve: Caller) -> None:
    """An open promotion is judged by the set that is active at the decision: what was enough at
    the request no longer is."""
    world = story.world
    promotion = story.ask(story.released())
    activate(
        world,
        sam,
        eve,
        files(
            ("settings.yaml", "custom: {}", "custom: {careful: [fraud/careful, fraud/scorer]}"),
            ("promote.yaml", "rules:\n", TWO),
            ("promote.yaml", "- name: approved by somebody else\n", TWO_EXAMPLES),
        ),
    )
    first = story.approve(promotion)
    assert first.state is PromotionState.PENDING
    second = world.promotions.decide(
        story.ben,
        PromotionName(number=promotion.number),
        outcome=Outcome.APPROVE,
        comment="",
        digest=promotion.digest,
        expected_current=0,
    )
    assert second.state is PromotionState.COMPLETED


def test_decisions_die_with_the_policy(story: Story, sam: Caller, eve: Caller) -> None:
    """An approval under another set no longer counts, and the promotion says that it needs deciding
    again; the same person may say the same again, and then it counts."""
    world = story.world
    promotion = story.ask(story.released())
    # Bob's word is stored, and nothing has moved: as under a set that asks for two.
    word = a_word(story, story.now(story.versions()[0]), promotion.digest)
    world.database.write(lambda tx: tx.promotions.put_decision(promotion.number, word))
    name = PromotionName(number=promotion.number)
    assert [r.rule for r in world.promotions.get(story.rosa, name).waiting] == ["FOUR-EYES"]
    activate(world, sam, eve)
    shown = world.promotions.get(story.rosa, name)
    assert [r.rule for r in shown.waiting] == ["FOUR-EYES", "AGAIN"]
    assert "bob: needs deciding again" in shown.waiting[-1].message
    assert story.approve(promotion).state is PromotionState.COMPLETED


def test_an_approval_dies_with_the_verdict(story: Story) -> None:
    """An approval given before the version was vetted anew counts no more; given again it does."""
    world = story.world
    version = story.released()
    promotion = story.ask(version)
    # As a replica would have left it: bob's word is stored, under what vetting knew then.
    word = dataclasses.replace(
        a_word(story, version, promotion.digest), rules_digest="sha256:before"
    )
    world.database.write(lambda tx: tx.promotions.put_decision(promotion.number, word))
    shown = world.promotions.get(story.rosa, PromotionName(number=promotion.number))
    again = shown.waiting[-1]
    assert again.rule == "AGAIN"
    assert "bob: needs deciding again" in again.message
    assert story.approve(promotion).state is PromotionState.COMPLETED


def a_word(story: Story, version: Version, digest: str) -> Decision:
    """A yes by bob, as things stand."""
    assert version.vetting is not None
    return Decision(
        outcome=Outcome.APPROVE,
        decider="bob",
        decider_uid=story.bob.principal.uid,
        roles=("reviewer",),
        digest=digest,
        policy_digest=story.world.policy.digest,
        rules_digest=version.vetting.rules_digest,
        comment="",
        create_time_us=story.world.clock.now_us(),
    )


# --- The other gates ----------------------------------------------------------------------------


@pytest.mark.slow
def test_register_refuses(story: Story, sam: Caller, eve: Caller) -> None:
    """A version that the gate register refuses is not created, and the message says why and how to
    mend it; a commit of the same files is refused at the cut."""
    activate(
        story.world, sam, eve, files(("settings.yaml", "denied: []", "denied: [pickle, joblib]"))
    )
    with pytest.raises(PolicyRefusedError, match="format pickle are not taken") as refused:
        story.push({"model.pkl": b"x"})
    assert refused.value.gate == "register"
    assert "hallmark push FOLDER fraud/scorer" in str(refused.value)
    assert "pickle" in refused.value.metadata["bound"]
    commit = story.commit({"model.pkl": b"x"})
    with pytest.raises(PolicyRefusedError):
        story.cut(commit.id)
    assert story.versions() == ()
    story.push({"model.safetensors": b"x"})


@pytest.mark.slow
def test_register_asks_the_set_that_is_active_within(
    story: Story, sam: Caller, eve: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that becomes active between the look and the unit of work is the one that decides."""
    world = story.world
    elsewhere = ActivePolicies(database=world.database, reader=RememberingReader())
    change = propose(world, sam, files(("settings.yaml", "denied: []", "denied: [pickle]")))
    old = elsewhere.recent()
    decide(world, eve, change)
    # This process has not looked since.
    monkeypatch.setattr(world.active, "_recent", old)
    with pytest.raises(PolicyRefusedError, match="pickle"):
        story.push({"model.pkl": b"x"})


@pytest.mark.slow
def test_fetch_asks_its_gate(story: Story, sam: Caller, eve: Caller) -> None:
    """The gate fetch may refuse what permission and state allow."""
    world = story.world
    version = story.released()
    world.downloads.create(story.rosa, name_of(version), digest="", paths=())
    activate(
        world,
        sam,
        eve,
        files(
            ("fetch.yaml", "rules:\n", BY_DIGEST),
            ("fetch.yaml", "- name: a released version\n", BY_NAME),
            ("fetch.yaml", "given: {version: {state: QUARANTINED}}", QUARANTINED),
            (
                "fetch.yaml",
                "yanked_from: RELEASED}}\n",
                "yanked_from: RELEASED}}\n  base: mirrored\n",
            ),
        ),
    )
    with pytest.raises(PolicyRefusedError, match="name the digest"):
        world.downloads.create(story.rosa, name_of(version), digest="", paths=())
    world.downloads.create(story.rosa, name_of(version), digest=version.digest, paths=())


BY_DIGEST = """rules:
- id: DIGEST-1
  when: "version.origin == 'internal'"
  require: "request.by_digest"
  message: "name the digest."
  fix: "Resolve it first: hallmark resolve {version.ref}"
"""
BY_NAME = """- name: by its name
  refused: [DIGEST-1]
- name: a released version
  base: mirrored
"""
QUARANTINED = "given: {version: {state: QUARANTINED}, request: {by_digest: true}}"


@pytest.mark.slow
def test_delete_asks_its_gate(story: Story, sam: Caller, eve: Caller) -> None:
    """A protected namespace's models stay, also in a dry run."""
    protected = "protected_namespaces: [fraud]"
    changed = files(("settings.yaml", "protected_namespaces: []", protected))
    activate(story.world, sam, eve, changed)
    for validate_only in (True, False):
        with pytest.raises(PolicyRefusedError, match="models of fraud are kept"):
            story.world.models.delete(story.root, NAME, etag="", validate_only=validate_only)


def test_explain_replays(story: Story, sam: Caller, eve: Caller) -> None:
    """What the gate was shown at the request and at the approval is kept, says the same when it is
    asked again, also after the rules have changed, and is for those who may read the promotion."""
    world = story.world
    promotion = story.promote(story.released())
    activate(world, sam, eve)
    name = PromotionName(number=promotion.number)
    last = world.policies.explain(story.rosa, name, None)
    assert last.record.decider == "bob"
    assert last.equal
    assert all(result.passed for result in last.then)
    shown = json.loads(last.document)
    assert shown["decisions"][0]["by"] == "bob"
    assert (
        shown["policy"]["digest"]
        == last.record.policy_digest
        == promotion.decisions[0].policy_digest
    )
    first = world.policies.explain(story.rosa, name, "")
    assert [r.rule for r in first.then if not r.passed] == ["FOUR-EYES"]
    assert first.equal
    with pytest.raises(NotFoundError, match="decisions"):
        world.policies.explain(story.rosa, name, "nobody")
    with pytest.raises(PermissionDeniedError):
        world.policies.explain(story.mallory, name, None)


@pytest.mark.parametrize("gate", ["register", "release", "promote", "fetch"])
def test_gates_can_be_tried(story: Story, gate: str) -> None:
    """A version that is released would pass each gate, at promote but for decisions; trying needs
    version.read, and leaves no trace."""
    version = story.released()
    before = actions(story.world)
    found = story.world.trials.evaluate(story.rosa, name_of(version), gate, "production")
    waiting = ["FOUR-EYES"] if gate == "promote" else []
    assert [r.rule for r in found.results if not r.passed] == waiting
    assert found.policy_digest == story.world.policy.digest
    assert actions(story.world) == before
    with pytest.raises(PermissionDeniedError):
        story.world.trials.evaluate(story.mallory, name_of(version), gate, "production")


def test_only_gates_of_versions_are_tried(story: Story) -> None:
    """Other gates, and stages that are not there, are refused."""
    version = story.released()
    for gate, stage in (("delete", ""), ("", ""), ("promote", ""), ("promote", "archived")):
        with pytest.raises(InvalidFieldError):
            story.world.trials.evaluate(story.rosa, name_of(version), gate, stage)


def test_licenses_are_inherited(story: Story) -> None:
    """A promotion sees the licenses of everything above a version, and of what is gone none."""
    world = story.world
    card = b"---\nlicense: %s\n---\n# m\n"
    top = story.push({"README.md": card % b"gemma", "a.txt": b"1"})
    middle = story.push({"README.md": card % b"mit", "a.txt": b"2"}, bases=(top,))
    bottom = story.push({"README.md": card % b"apache-2.0", "a.txt": b"3"}, bases=(middle,))
    promotion = story.ask(story.vetted(bottom))
    found = world.policies.explain(story.rosa, PromotionName(number=promotion.number), None)
    assert json.loads(found.document)["version"]["base_licenses"] == ["gemma", "mit"]
    assert json.loads(found.document)["version"]["license"] == "apache-2.0"


def test_pickles_do_not_enter_production(story: Story) -> None:
    """A version with a pickle may be staged, and not go to production."""
    version = story.released({"model.pkl": b"\x80\x04N."})
    story.ask(version, "staging")
    with pytest.raises(PolicyRefusedError, match="pickle do not enter production"):
        story.ask(version, "production")


def test_mends_name_the_promotion(story: Story) -> None:
    """What an open promotion waits for can be typed as it is told, from its first moment on."""
    asked = story.ask(story.released())
    kept = story.world.promotions.get(story.rosa, PromotionName(number=asked.number))
    for each in (asked, kept):
        assert [rule.fix.rpartition(": ")[2] for rule in each.waiting] == [
            f"hallmark decide {asked.number} --approve"
        ]


def test_time_ends_a_proposal(world: World, sam: Caller, eve: Caller) -> None:
    """A proposal that nobody decided on in time is EXPIRED whether or not anybody looks, can
    neither be decided on nor withdrawn, and may be made anew; the audit log has its end once."""
    change = propose(world, sam)
    world.clock.advance(PROPOSAL_TTL_US)
    (listed,) = world.policies.changes(sam, state=None, page=PageRequest()).items
    assert (listed.state, listed.end_time_us) == (ChangeState.EXPIRED, change.expire_time_us)
    for outcome in Outcome:
        with pytest.raises(InvalidStateError, match="EXPIRED"):
            decide(world, eve, change, outcome)
    with pytest.raises(InvalidStateError, match="EXPIRED"):
        world.policies.withdraw(sam, PolicyChangeName(number=change.number))
    assert world.policies.active_digest() == change.base_digest
    again = propose(world, sam)
    assert again.number != change.number
    for state, found in ((ChangeState.PENDING, again), (ChangeState.EXPIRED, listed)):
        assert world.policies.changes(sam, state=state, page=PageRequest()).items == (found,)
    assert [world.policies.expire_overdue() for _ in range(2)] == [1, 0]
    assert actions(world) == ["policy.propose", "policy.propose", "policy.expire"]
    assert world.policies.changes(sam, state=ChangeState.EXPIRED, page=PageRequest()).items == (
        listed,
    )
    # A replica whose clock is behind finds it ended all the same.
    world.clock.advance(-PROPOSAL_TTL_US)
    with pytest.raises(InvalidStateError, match="EXPIRED"):
        decide(world, eve, change)


@pytest.mark.slow
def test_a_rejection_is_kept_as_it_was_judged(story: Story) -> None:
    """What the gate was shown at a rejection is kept with what it said, under the set of then, and
    says the same again whatever has changed since; approvals before it keep their own."""
    world = story.world
    both = files(
        ("settings.yaml", "custom: {}", "custom: {careful: [fraud/scorer]}"),
        ("promote.yaml", "rules:\n", TWO),
        ("promote.yaml", "- name: approved by somebody else\n", TWO_EXAMPLES),
    )
    activate(world, *changers(world), both)
    version = story.released()
    promotion = story.ask(version)
    name = PromotionName(number=promotion.number)
    assert story.approve(promotion).state is PromotionState.PENDING
    world.clock.advance(1)
    rejected = world.promotions.decide(
        story.ben,
        name,
        outcome=Outcome.REJECT,
        comment="not yet",
        digest=promotion.digest,
        expected_current=0,
    )
    assert rejected.state is PromotionState.REJECTED
    digest = world.policies.active_digest()
    activate(world, *changers(world), files())
    explained = world.policies.explain(story.rosa, name, None)
    assert (explained.record.decider, explained.outcome) == ("ben", Outcome.REJECT)
    assert (explained.record.policy_digest, explained.equal) == (digest, True)
    document = json.loads(explained.document)
    assert [each["by"] for each in document["decisions"]] == ["bob"]
    assert document["version"]["verdict"] == "pass"
    assert [each.rule for each in explained.then if not each.passed] == ["TWO"]
    for who, outcome in (("bob", Outcome.APPROVE), ("ben", Outcome.REJECT), ("", None)):
        assert world.policies.explain(story.rosa, name, who).outcome is outcome


def changers(world: World) -> tuple[Caller, Caller]:
    return (
        world.login("sam-everywhere", grant(Role.SECURITY)).caller,
        world.login("eve", grant(Role.ADMIN)).caller,
    )
