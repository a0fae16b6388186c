"""Inspections: what is known of files is kept, and looked at once."""

from __future__ import annotations

import json

import pytest

from registry.domain.versions import Verdict
from registry.ports.tables import EventQuery
from registry.services import inspections
from registry.testing.story import Story
from registry.testing.world import manifest_file
from registry.vetting import stored
from registry.vetting.stored import StoredVetter


def test_what_is_known_is_not_looked_at_again(story: Story) -> None:
    """Not for another version with some of these bytes, nor once they are forgotten in memory."""
    world = story.world
    files = {f"{n}.txt": b"%d" % n for n in range(5)}
    assert story.released(files).vetting is not None
    inspector = world.inspector
    assert sorted(inspector.looked) == sorted(files)
    story.released({"5.txt": b"5", **files})
    assert inspector.looked[5:] == ["5.txt"]
    vetter = StoredVetter(database=world.database, inspector=world.inspector)
    version = story.push({"4.txt": b"4"})
    manifest = tuple(manifest_file(path, data) for path, data in {"4.txt": b"4"}.items())
    vetting = vetter.vet(version, manifest, 7)
    assert vetting is not None
    assert (vetting.verdict, vetting.time_us) == (Verdict.PASS, 7)
    assert len(inspector.looked) == 6


@pytest.mark.parametrize(("lot_files", "lot_bytes"), [(3, 10**9), (100, 4), (1, 1)])
def test_lots_are_bounded_and_leave_nothing_out(
    story: Story, monkeypatch: pytest.MonkeyPatch, lot_files: int, lot_bytes: int
) -> None:
    """By their files and by their bytes, but that each has one: also a file longer than a lot."""
    monkeypatch.setattr(inspections, "LOT_FILES", lot_files)
    monkeypatch.setattr(inspections, "LOT_BYTES", lot_bytes)
    files = {f"{n}.txt": b"%d" % n * (1 + n % 3) for n in range(10)} | {"long.txt": b"x" * 50}
    version = story.released(files)
    assert version.vetting is not None
    assert version.vetting.verdict is Verdict.PASS
    looked = story.world.inspector.lots
    assert sorted(path for lot in looked for path in lot) == sorted(files)
    assert all(len(lot) <= lot_files for lot in looked)
    sizes = {path: len(data) for path, data in files.items()}
    query = EventQuery(
        namespace="fraud", resource=version.name, action="version.inspect", oldest_first=True
    )
    events = story.world.database.read(lambda tx: tx.events.list(query, None, 99))
    told = [json.loads(event.detail_json) for event in events]
    # One for each lot but the first, which begins with nothing.
    assert len(told) == len(looked) - 1
    done = [sum(map(len, looked[: n + 1])) for n in range(len(told))]
    assert [each["files_done"] for each in told] == done
    assert {each["file_count"] for each in told} <= {len(files)}
    assert [each["bytes_done"] for each in told] == [
        sum(sizes[path] for lot in looked[: n + 1] for path in lot) for n in range(len(told))
    ]
    assert all(len(lot) == 1 or sum(sizes[path] for path in lot) <= lot_bytes for lot in looked)


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
