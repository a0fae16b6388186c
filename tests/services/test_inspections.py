"""Inspections: what is known of files is kept, and looked at once."""

from __future__ import annotations

import pytest

from registry.domain.versions import Verdict
from registry.testing.story import Story
from registry.testing.world import manifest_file
from registry.vetting import stored
from registry.vetting.stored import StoredVetter


def test_what_is_known_is_not_looked_at_again(story: Story) -> None:
    """Not for another version with some of these bytes, nor once they are forgotten in memory."""
    world = story.world
    files = {f"{n}.txt": b"%d" % n for n in range(5)}
    assert story.released(files).vetting is not None
    looked = world.inspector.looked
    assert sorted(looked) == sorted(files)
    story.released({"5.txt": b"5", **files})
    assert looked[5:] == ["5.txt"]
    vetter = StoredVetter(database=world.database, inspector=world.inspector)
    version = story.push({"4.txt": b"4"})
    manifest = tuple(manifest_file(path, data) for path, data in {"4.txt": b"4"}.items())
    vetting = vetter.vet(version, manifest, 7)
    assert vetting is not None
    assert (vetting.verdict, vetting.time_us) == (Verdict.PASS, 7)
    assert len(looked) == 6


def test_a_check_that_crashes_is_unknown(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets nothing out, and stops no other."""

    def crash(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(stored, "compose", crash)
    version = story.vetted(story.push())
    assert version.vetting is not None
    assert version.vetting.verdict is Verdict.UNKNOWN
    assert [finding.rule for finding in version.vetting.findings] == ["STRUCT-0"]


def test_new_rules_look_anew(story: Story) -> None:
    """What the old ones knew says nothing."""
    world = story.world
    story.released({"a.txt": b"1"})
    world.inspector.rules_digest = "sha256:others"
    story.released({"b.txt": b"2", "a.txt": b"1"})
    assert sorted(world.inspector.looked) == ["a.txt", "a.txt", "b.txt"]
