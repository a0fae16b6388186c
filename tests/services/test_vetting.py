"""Vetting: verdicts, and where they lead."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping

import pytest

import registry.services.vetting
from registry.domain.access import Grant, Role
from registry.domain.events import SYSTEM
from registry.domain.gates import GateInput
from registry.domain.manifests import ManifestFile
from registry.domain.policies import Gate, GateAnswer, RuleResult
from registry.domain.versions import (
    Finding,
    Verdict,
    Version,
    VersionState,
    Vetting,
    require_fetchable,
)
from registry.errors import InvalidStateError, StorageError
from registry.ports.tables import EventQuery
from registry.services.vetting import RETRY_US, VettingService
from registry.testing.blobs import MemoryBlobStore
from registry.testing.policies import FixedPolicy
from registry.testing.story import Story, name_of


class ScriptedVetter:
    """A second vetting adapter, whose rules and answers a test states."""

    def __init__(self) -> None:
        self.rules_digest = "sha256:rules-1"
        self.verdict = Verdict.PASS
        self.findings: tuple[Finding, ...] = ()
        self.unreadable: set[int] = set()
        #: By number of the version, where it is another one.
        self.verdicts: dict[int, Verdict] = {}
        self.seen: list[int] = []
        self.file_counts: list[int] = []

    def vet(self, version: Version, files: tuple[ManifestFile, ...], now_us: int) -> Vetting:
        self.seen.append(version.number)
        self.file_counts.append(len(files))
        if version.number in self.unreadable:
            raise StorageError(what=version.name, store="disk", cause="EIO")
        return Vetting(
            verdict=self.verdicts.get(version.number, self.verdict),
            findings=self.findings,
            rules_digest=self.rules_digest,
            time_us=now_us,
        )


class ShutGate:
    """A policy that releases nothing by itself."""

    digest = "sha256:shut"
    exclusive_stages = ("staging", "production")
    label_stages = ()
    triton_releases = ()
    promotion_ttl_us = 1
    approval_validity_us = 1

    def grace_us(self, verdict: Verdict) -> int:
        return 0

    def is_waivable(self, rule: str) -> bool:
        return False

    def reads_waivers(self, gate: Gate) -> bool:
        return False

    def replay(self, gate: Gate, document: Mapping[str, object]) -> tuple[RuleResult, ...]:
        raise NotImplementedError("nobody explains what this one said")

    def evaluate(self, given: GateInput) -> GateAnswer:
        waits = RuleResult(rule="HUMAN", passed=False, message="wait", fix="ask", waits=True)
        return GateAnswer(gate=given.gate, results=(waits,), policy_digest=self.digest)


@pytest.fixture
def vetter() -> ScriptedVetter:
    return ScriptedVetter()


@pytest.fixture
def vetting(story: Story, vetter: ScriptedVetter) -> VettingService:
    world = story.world
    return VettingService(
        database=world.database,
        clock=world.clock,
        vetter=vetter,
        policies=world.active,
        facts=world.facts,
    )


def events(story: Story, action: str) -> list[tuple[str, str]]:
    query = EventQuery(namespace="fraud", action=action)
    found = story.world.database.read(lambda tx: tx.events.list(query, None, 99))
    return [(event.resource, event.actor) for event in found]


def test_pass_releases(story: Story, vetting: VettingService) -> None:
    """A pass is stored and, where the gate asks for nothing more, releases the version at once."""
    version = story.push()
    assert vetting.run_pending(10) == 1
    now = story.now(version)
    assert now.state is VersionState.RELEASED
    assert now.vetting is not None
    assert now.vetting.verdict is Verdict.PASS
    assert now.vetting.time_us == story.world.clock.now_us()
    assert events(story, "version.vet") == [(version.name, SYSTEM)]
    assert events(story, "version.release") == [(version.name, SYSTEM)]
    assert vetting.run_pending(10) == 0


def test_pass_before_a_shut_gate(story: Story, vetter: ScriptedVetter) -> None:
    """A pass that the gate does not release leaves the version VETTED."""
    version = story.push()
    vetting = VettingService(
        database=story.world.database,
        clock=story.world.clock,
        vetter=vetter,
        policies=FixedPolicy(ShutGate()),
        facts=story.world.facts,
    )
    vetting.run_pending(10)
    assert story.now(version).state is VersionState.VETTED
    assert events(story, "version.release") == []


def test_fail_rejects(story: Story, vetting: VettingService, vetter: ScriptedVetter) -> None:
    """A fail rejects the version and keeps its findings, at most 100."""
    vetter.verdict = Verdict.FAIL
    vetter.findings = tuple(
        Finding(rule="R", message=str(number), path="a", fix="mend") for number in range(101)
    )
    version = story.push()
    vetting.run_pending(10)
    now = story.now(version)
    assert now.state is VersionState.REJECTED
    assert now.vetting is not None
    assert now.vetting.findings == vetter.findings[:100]


def test_unknown_stays(story: Story, vetting: VettingService, vetter: ScriptedVetter) -> None:
    """An unknown verdict leaves the version in quarantine, and is not asked for again until the
    rules change."""
    vetter.verdict = Verdict.UNKNOWN
    version = story.push()
    assert vetting.run_pending(10) == 1
    assert vetting.run_pending(10) == 0
    assert story.now(version).state is VersionState.QUARANTINED
    vetter.rules_digest, vetter.verdict = "sha256:rules-2", Verdict.PASS
    assert vetting.run_pending(10) == 1
    assert story.now(version).state is VersionState.RELEASED


def test_many_at_once(story: Story, vetting: VettingService, vetter: ScriptedVetter) -> None:
    """Versions are judged oldest first, as many as asked for."""
    for number in range(5):
        story.push({"a": bytes([number])})
    assert vetting.run_pending(3) == 3
    assert vetter.seen == [1, 2, 3]
    assert vetting.run_pending(3) == 2
    assert vetting.run_pending(3) == 0


def test_more_files_than_are_held(
    story: Story,
    vetting: VettingService,
    vetter: ScriptedVetter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Versions with more files than are held in memory together are judged in lots, in order."""
    monkeypatch.setattr(registry.services.vetting, "FILES_AT_ONCE", 3)
    sizes = [2, 1, 1, 4, 4, 1, 2]
    for number, size in enumerate(sizes):
        story.push({f"{n}": bytes([number]) for n in range(size)})
    assert vetting.run_pending(10) == len(sizes)
    assert vetter.seen == [1, 2, 3, 4, 5, 6, 7]
    assert vetter.file_counts == sizes


def test_different_outcomes_at_once(
    story: Story, vetting: VettingService, vetter: ScriptedVetter
) -> None:
    """Each version of a run gets its own verdict, and the events tell of each in turn."""
    versions = [story.push({"a": bytes([number])}) for number in range(4)]
    vetter.verdicts = {2: Verdict.FAIL, 3: Verdict.UNKNOWN}
    assert vetting.run_pending(10) == 4
    assert [story.now(version).state for version in versions] == [
        VersionState.RELEASED,
        VersionState.REJECTED,
        VersionState.QUARANTINED,
        VersionState.RELEASED,
    ]
    names = [version.name for version in versions]
    assert sorted(name for name, _ in events(story, "version.vet")) == names
    assert sorted(name for name, _ in events(story, "version.release")) == [names[0], names[3]]


def test_a_unit_of_work_for_each_namespace(story: Story, vetting: VettingService) -> None:
    """Verdicts on versions of two namespaces are stored apart: neither's writers wait for both."""
    story.world.model("vision/scorer")
    painter = story.world.caller("vera", Grant(role=Role.REGISTRANT, namespace_pattern="vision"))
    versions = [
        story.push({"a": b"1"}),
        story.push({"a": b"1"}, model="vision/scorer", by=painter),
        story.push({"a": b"2"}),
    ]
    story.world.database.written.clear()
    assert vetting.run_pending(10) == 3
    assert sorted(story.world.database.written) == ["fraud", "vision"]
    assert {story.now(version).state for version in versions} == {VersionState.RELEASED}


def test_missing_manifest(
    story: Story, vetting: VettingService, caplog: pytest.LogCaptureFixture
) -> None:
    """A version whose manifest the database has lost waits, and holds up no other."""
    lost, other = story.push({"a": b"1"}), story.push({"a": b"2"})
    path = story.world.folder / "hallmark.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE manifests SET digest = 'sha256:other' WHERE digest = ?", (lost.digest,)
        )
    assert vetting.run_pending(10) == 1
    assert "it is not there" in caplog.text
    assert story.now(lost).state is VersionState.QUARANTINED
    assert story.now(other).state is VersionState.RELEASED


def test_unreadable_bytes(
    story: Story,
    vetting: VettingService,
    vetter: ScriptedVetter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A version whose bytes cannot be read waits, is tried again, and holds up no other."""
    first, second = story.push({"a": b"1"}), story.push({"a": b"2"})
    vetter.unreadable = {first.number}
    assert vetting.run_pending(1) == 0
    assert "EIO" in caplog.text
    assert vetting.run_pending(1) == 1
    assert story.now(second).state is VersionState.RELEASED
    assert vetting.run_pending(1) == 0
    assert vetter.seen == [1, 2]
    vetter.unreadable = set()
    story.world.clock.advance(RETRY_US + 1)
    assert vetting.run_pending(1) == 1
    assert story.now(first).state is VersionState.RELEASED


def test_yanked_meanwhile(story: Story, vetting: VettingService) -> None:
    """A version that is yanked while it is judged is not let out: nobody gets its bytes by digest,
    and it is judged again when it comes back."""
    version = story.push()
    story.world.database.after_read = lambda: story.world.yanks.yank(
        story.alice, name_of(version), reason="oops", validate_only=False
    )
    assert vetting.run_pending(10) == 1
    now = story.now(version)
    assert (now.state, now.yanked_from) == (VersionState.YANKED, VersionState.QUARANTINED)
    assert (now.yank_reason, now.vetting) == ("oops", None)
    with pytest.raises(InvalidStateError, match="cannot be fetched: it is YANKED"):
        require_fetchable(now, by_digest=True)
    back = story.world.yanks.unyank(story.alice, name_of(version))
    assert back.state is VersionState.QUARANTINED
    assert vetting.run_pending(10) == 1
    assert story.now(version).state is VersionState.RELEASED


def test_yanked_meanwhile_and_refused(
    story: Story, vetting: VettingService, vetter: ScriptedVetter
) -> None:
    """A version that is yanked while it is judged, and fails, comes back REJECTED."""
    version = story.push()
    story.world.database.after_read = lambda: story.world.yanks.yank(
        story.alice, name_of(version), reason="oops", validate_only=False
    )
    vetter.verdict = Verdict.FAIL
    assert vetting.run_pending(10) == 1
    back = story.world.yanks.unyank(story.alice, name_of(version))
    assert back.state is VersionState.REJECTED


def test_unyanked_is_vetted(story: Story, vetting: VettingService) -> None:
    """A version yanked before its verdict gets one after the yank is undone."""
    version = story.push()
    story.world.yanks.yank(story.alice, name_of(version), reason="oops", validate_only=False)
    assert vetting.run_pending(10) == 0
    story.world.yanks.unyank(story.alice, name_of(version))
    assert vetting.run_pending(10) == 1


def test_recalled_meanwhile(story: Story, vetting: VettingService) -> None:
    """A version recalled while it is judged stays recalled."""
    version = story.push()
    story.world.database.after_read = lambda: story.world.database.write(
        lambda tx: tx.versions.set_state(version.key, VersionState.RECALLED)
    )
    vetting.run_pending(10)
    assert story.now(version).state is VersionState.RECALLED


def test_deleted_meanwhile(story: Story, vetting: VettingService) -> None:
    """A version deleted while it is judged is passed over."""
    version = story.push({"a": b"1"})
    story.world.model("fraud/other")
    other = story.push({"a": b"1"}, model="fraud/other")
    story.world.database.after_read = lambda: story.world.database.write(
        lambda tx: tx.models.delete(version.model_key)
    )
    vetting.run_pending(10)
    assert story.now(other).state is VersionState.RELEASED


def test_two_judges(story: Story, vetting: VettingService, vetter: ScriptedVetter) -> None:
    """Of two judges of one version the first one's verdict is stored, once."""
    version = story.push()
    other = VettingService(
        database=story.world.database,
        clock=story.world.clock,
        vetter=vetter,
        policies=story.world.active,
        facts=story.world.facts,
    )
    story.world.database.after_read = lambda: other.run_pending(10)
    vetting.run_pending(10)
    assert events(story, "version.vet") == [(version.name, SYSTEM)]


def test_failed_commit_is_tried_again(story: Story, vetting: VettingService) -> None:
    """Where the verdict cannot be stored, the version is judged again."""
    version = story.push()
    story.world.database.error = StorageError(what="x", store="database", cause="gone")
    with pytest.raises(StorageError):
        vetting.run_pending(10)
    story.world.database.error = None
    assert story.now(version).state is VersionState.QUARANTINED
    assert vetting.run_pending(10) == 1


def test_real_bytes(story: Story) -> None:
    """The structural check passes what was sent whole and fails what the disk damaged."""
    good, bad = story.push({"a.txt": b"good"}), story.push({"a.txt": b"will break"})
    blobs = story.world.blobs
    assert isinstance(blobs, MemoryBlobStore)
    sha256 = story.world.versions.manifest(story.rosa, name_of(bad)).files[0].sha256
    blobs.damage(sha256, b"broken now")
    assert story.vetted(good).state is VersionState.RELEASED
    rejected = story.now(bad)
    assert rejected.state is VersionState.REJECTED
    assert rejected.vetting is not None
    assert [f.rule for f in rejected.vetting.findings] == ["STRUCT-4"]
