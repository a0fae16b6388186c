"""Vetting anew: what is asked for, where it leads, what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from registry.domain.access import Caller, Grant, Role
from registry.domain.inspections import Change, Rerun
from registry.domain.pages import PageRequest
from registry.domain.versions import Verdict, Version, VersionState
from registry.errors import InvalidFieldError, NotFoundError, PermissionDeniedError
from registry.names import VettingRerunName
from registry.ports.tables import EventQuery
from registry.testing.reruns import Judge, rerun, run_all
from registry.testing.sound import pickled, weights
from registry.testing.story import Story, name_of
from registry.testing.world import grant


def changes(story: Story, caller: Caller, made: Rerun) -> tuple[Change, ...]:
    return changes_of(story, caller, made.number)


def changes_of(story: Story, caller: Caller, number: int) -> tuple[Change, ...]:
    name = VettingRerunName(number=number)
    return story.world.vetting_reports.changes(caller, name, PageRequest()).items


PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
QUARANTINED, REJECTED = VersionState.QUARANTINED, VersionState.REJECTED
RELEASED, VETTED = VersionState.RELEASED, VersionState.VETTED


@pytest.mark.parametrize(
    ("was", "verdict", "to"),
    [
        (RELEASED, PASS, RELEASED),
        (RELEASED, FAIL, QUARANTINED),
        (RELEASED, UNKNOWN, QUARANTINED),
        (VETTED, PASS, VETTED),
        (VETTED, FAIL, REJECTED),
        (VETTED, UNKNOWN, QUARANTINED),
        (REJECTED, PASS, RELEASED),
        (REJECTED, FAIL, REJECTED),
        (REJECTED, UNKNOWN, QUARANTINED),
        (QUARANTINED, PASS, RELEASED),
        (QUARANTINED, FAIL, REJECTED),
        (QUARANTINED, UNKNOWN, QUARANTINED),
        (VersionState.RECALLED, PASS, VersionState.RECALLED),
    ],
)
def test_where_a_new_verdict_leads(
    story: Story, judge: Judge, eve: Caller, was: VersionState, verdict: Verdict, to: VersionState
) -> None:
    """From each state a version can be in."""
    version = story.released({"a.txt": b"1"})
    story.world.database.write(lambda tx: tx.versions.set_state(version.key, was))
    judge.says[version.number] = verdict
    made = rerun(story, eve, version.name)
    run_all(story)
    now = story.now(version)
    assert now.state is to
    done = story.world.vetting_reports.get_rerun(eve, VettingRerunName.parse(made.name))
    is_recalled = was is VersionState.RECALLED
    assert (done.version_count, done.done_count) == ((0, 0) if is_recalled else (1, 1))
    assert done.end_time_us is not None
    changed = [(each.was, each.to, each.verdict) for each in changes(story, eve, made)]
    is_same = is_recalled or (was is to and verdict is PASS)
    assert changed == ([] if is_same else [(was, to, verdict)])


def test_a_yanked_version_comes_back_to_what_is_due(
    story: Story, judge: Judge, eve: Caller
) -> None:
    """It stays yanked, and is not what it was before once that is undone."""
    version = story.released({"a.txt": b"1"})
    story.world.yanks.yank(story.alice, name_of(version), reason="bad", validate_only=False)
    judge.says[version.number] = FAIL
    rerun(story, eve, version.name)
    run_all(story)
    now = story.now(version)
    assert (now.state, now.yanked_from) == (VersionState.YANKED, QUARANTINED)


def test_a_model_or_all_are_vetted_anew(story: Story, judge: Judge, eve: Caller) -> None:
    """Each version once; those that wait for their first verdict are in no rerun."""
    versions = [story.released({"a.txt": b"%d" % number}) for number in range(3)]
    waiting = story.push({"b.txt": b"b"})
    made = rerun(story, eve, versions[0].model_name)
    assert made.version_count == 3
    judge.says = {versions[1].number: UNKNOWN}
    run_all(story)
    assert [story.now(version).state for version in versions] == [RELEASED, QUARANTINED, RELEASED]
    assert story.now(waiting).state is RELEASED
    (changed,) = changes(story, eve, made)
    assert changed.version == versions[1].name
    judge.says = {}
    everything = rerun(story, eve)
    run_all(story)
    assert everything.version_count == 4
    assert story.now(versions[1]).state is RELEASED


def test_unknown_files_are_looked_at_again(story: Story, eve: Caller) -> None:
    """And no others: those are known."""
    inspector = story.world.inspector
    story.vetted(story.push({"a.txt": b"1", "b.xyz": b"\xff"}))
    assert sorted(inspector.looked) == ["a.txt", "b.xyz"]
    rerun(story, eve)
    run_all(story)
    assert sorted(inspector.looked) == ["a.txt", "b.xyz", "b.xyz"]


def test_new_rules_reach_what_was_released_by_a_rerun_alone(story: Story, eve: Caller) -> None:
    """Until then it is what it was."""
    version = story.released({"a.txt": b"1"})
    story.world.inspector.rules_digest = "sha256:new"
    run_all(story)
    vetting = story.now(version).vetting
    assert vetting is not None
    assert vetting.rules_digest != "sha256:new"
    rerun(story, eve)
    run_all(story)
    vetting = story.now(version).vetting
    assert vetting is not None
    assert vetting.rules_digest == "sha256:new"


def test_who_may(story: Story, eve: Caller) -> None:
    """Security and administrators, of the namespace or of all."""
    version = story.released({"a.txt": b"1"})
    for caller in (story.alice, story.bob, story.rosa):
        for scope in (version.name, version.model_name, ""):
            with pytest.raises(PermissionDeniedError):
                rerun(story, caller, scope)
    local = story.world.caller("local", grant(Role.SECURITY, "fraud"))
    made = rerun(story, local, version.name)
    run_all(story)
    with pytest.raises(PermissionDeniedError):
        rerun(story, local)
    everything = rerun(story, eve)
    name = VettingRerunName.parse(everything.name)
    with pytest.raises(PermissionDeniedError):
        story.world.vetting_reports.get_rerun(local, name)
    assert story.world.vetting_reports.get_rerun(local, VettingRerunName.parse(made.name))
    with pytest.raises(NotFoundError):
        story.world.vetting_reports.get_rerun(eve, VettingRerunName(number=99))


def test_a_refusal_does_not_tell_of_reruns(story: Story, eve: Caller) -> None:
    """Neither whether there is one nor what it is about."""
    version = story.released({"a.txt": b"1"})
    numbers = [rerun(story, eve, scope).number for scope in (version.name, version.model_name, "")]
    refusals = set()
    for number in (*numbers, 99):
        with pytest.raises(PermissionDeniedError) as refused:
            changes_of(story, story.mallory, number)
        refusals.add(str(refused.value).replace(f"/{number}", "/NUMBER"))
    assert len(refusals) == 1
    with pytest.raises(PermissionDeniedError, match=r"on models\."):
        rerun(story, story.mallory)


def test_changes_of_what_one_may_not_read_are_left_out(
    story: Story, judge: Judge, eve: Caller
) -> None:
    version = story.released({"a.txt": b"1"})
    judge.says[version.number] = FAIL
    made = rerun(story, eve)
    run_all(story)
    assert len(changes(story, eve, made)) == 1
    hidden = Grant(role=Role.SECURITY, namespace_pattern="fraud", deny=True)
    blind = story.world.caller("blind", grant(Role.SECURITY), hidden)
    assert changes(story, blind, made) == ()


def test_bad_scopes_are_refused(story: Story, eve: Caller) -> None:
    version = story.released({"a.txt": b"1"})
    reports = story.world.vetting_reports
    with pytest.raises(InvalidFieldError):
        reports.rerun(eve, "", everything=False)
    with pytest.raises(InvalidFieldError):
        reports.rerun(eve, version.name, everything=True)
    for scope in ("models/fraud/none", f"{version.model_name}/versions/99"):
        with pytest.raises(NotFoundError):
            rerun(story, eve, scope)


def test_it_is_in_the_log(story: Story, eve: Caller) -> None:
    """Who asked, and each verdict with what was before."""
    version = story.released({"a.txt": b"1"})
    rerun(story, eve, version.name)
    run_all(story)
    query = EventQuery(namespace="fraud")
    events = story.world.database.read(lambda tx: tx.events.list(query, None, 50))
    asked = [event for event in events if event.action == "vetting.rerun"]
    assert [(event.actor, event.resource) for event in asked] == [("principals/eve", version.name)]
    told = [json.loads(event.detail_json) for event in events if event.action == "version.vet"]
    assert sorted(each["was"] for each in told) == ["quarantined", "released"]


def facts(story: Story, version: Version, path: str = "") -> Mapping[str, Mapping[str, object]]:
    page = story.world.vetting_reports.facts(
        story.rosa, name_of(version), path=path, page=PageRequest()
    )
    return {each.file.path: each.facts for each in page.items}


def test_facts_are_of_each_file(story: Story) -> None:
    """In quarantine and after a rejection too; of one file where it is named."""
    files = {"w.safetensors": weights(b"abc"), "p.pkl": pickled(1), "x.xyz": b"\xff"}
    version = story.vetted(story.push(files))
    assert version.state is QUARANTINED
    found = facts(story, version)
    assert sorted(found) == sorted(files)
    assert "weights" in str(found["w.safetensors"]["tensors"])
    assert list(facts(story, version, "p.pkl")) == ["p.pkl"]
    with pytest.raises(NotFoundError):
        facts(story, version, "none")
    assert facts(story, story.push({"n.txt": b"new"})) == {}


def test_facts_come_in_pages(story: Story) -> None:
    version = story.released({f"{number}.txt": b"%d" % number for number in range(5)})
    token, paths = "", []
    while True:
        page = story.world.vetting_reports.facts(
            story.rosa, name_of(version), path="", page=PageRequest(size=2, token=token)
        )
        paths += [each.file.path for each in page.items]
        token = page.next_page_token
        if not token:
            break
    assert paths == [f"{number}.txt" for number in range(5)]


def test_status(story: Story, eve: Caller) -> None:
    """Waiting, then done; not done again while a rerun has it marked."""
    reports = story.world.vetting_reports
    version = story.push({"a.txt": b"1"})
    before = reports.status(story.rosa, name_of(version))
    assert (before.done, before.run) == (False, None)
    story.vetted(version)
    after = reports.status(story.rosa, name_of(version))
    assert (after.done, after.run) == (True, None)
    rerun(story, eve, version.name)
    assert not reports.status(story.rosa, name_of(version)).done
    with pytest.raises(PermissionDeniedError):
        reports.status(story.world.caller("nobody"), name_of(version))


def test_a_diff_compares_what_is_in_files(story: Story) -> None:
    """Tensors by name, whatever file they are in; configuration by value; templates by line."""
    template = "{%% for m in messages %%}\n%s{{ m.content }}\n{%% endfor %%}\n"
    config = '{"model_type": "llama", "hidden_size": %d, "rope": {"theta": 1.5}}'
    first = story.released(
        {
            "model.safetensors": weights(b"abc"),
            "config.json": (config % 768).encode(),
            "chat_template.jinja": (template % "").encode(),
            "same.txt": b"same",
        }
    )
    second = story.released(
        {
            "model-00001-of-00001.safetensors": weights(b"abcd"),
            "config.json": (config % 1024).encode(),
            "chat_template.jinja": (template % "System: ").encode(),
            "same.txt": b"same",
        }
    )
    found = story.world.version_diffs.diff(story.rosa, name_of(first), name_of(second))
    tensors = [(each.key, each.base, each.other) for each in found.tensors]
    assert tensors == [("model.safetensors: weights", "U8 [3]", "U8 [4]")]
    changed = [(each.key, each.base, each.other) for each in found.config]
    assert changed == [("config.json: /hidden_size", "768", "1024")]
    assert "+System: {{ m.content }}" in found.template
    assert "-{{ m.content }}" in found.template
    same = story.world.version_diffs.diff(story.rosa, name_of(first), name_of(first))
    assert (same.tensors, same.config, same.template) == ((), (), ())


def test_text_of_files_is_for_those_who_may_fetch_them(story: Story) -> None:
    """Nobody sees it in quarantine, nor who reads metadata alone, by facts or by a diff."""
    files = {"config.json": b'{"model_type": "llama"}', "x.xyz": b"\xff"}
    quarantined = story.vetted(story.push(files))
    assert quarantined.state is QUARANTINED
    assert "config" not in facts(story, quarantined)["config.json"]
    released = story.released({"config.json": b'{"model_type": "gemma"}'})
    assert "config" in facts(story, released)["config.json"]
    auditor = story.world.caller("audrey", grant(Role.AUDITOR))
    page = story.world.vetting_reports.facts(
        auditor, name_of(released), path="", page=PageRequest()
    )
    assert "config" not in page.items[0].facts
    names = name_of(quarantined), name_of(released)
    assert story.world.version_diffs.diff(auditor, *names).config == ()
    found = story.world.version_diffs.diff(story.rosa, *names).config
    assert "llama" not in str(found)
