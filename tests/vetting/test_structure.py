"""The structural check: names, sizes, digests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.versions import (
    Card,
    Verdict,
    Version,
    VersionSpec,
    VersionState,
    Vetting,
)
from registry.errors import StorageError
from registry.ports.blobs import Pieces
from registry.testing.blobs import MemoryBlobStore
from registry.testing.world import manifest_file
from registry.vetting import structure
from registry.vetting.structure import StructureVetter


class CountingStore(MemoryBlobStore):
    """Counts how often each blob is read, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.error: Exception | None = None

    def open_range(self, sha256: str, *args: Any, **kwargs: Any) -> Pieces:
        if self.error:
            raise self.error
        self.reads.append(sha256)
        return super().open_range(sha256, *args, **kwargs)


@pytest.fixture
def blobs() -> CountingStore:
    return CountingStore()


@pytest.fixture
def vetter(blobs: CountingStore) -> StructureVetter:
    return StructureVetter(blobs=blobs)


def store(blobs: MemoryBlobStore, files: Mapping[str, bytes]) -> tuple[ManifestFile, ...]:
    named = tuple(manifest_file(path, data) for path, data in files.items())
    for file, data in zip(named, files.values(), strict=True):
        blobs.append("staged", 0, [data])
        blobs.commit("staged", file.sha256, len(data))
    return Manifest.of(named).files


def version(files: tuple[ManifestFile, ...]) -> Version:
    return Version(
        key=1,
        uid="u",
        model_key=1,
        model="fraud/scorer",
        namespace="fraud",
        number=7,
        digest=Manifest(files=files).digest,
        commit="c" * 40,
        state=VersionState.QUARANTINED,
        registrant="alice",
        create_time_us=0,
        spec=VersionSpec(),
        card=Card(),
        file_count=len(files),
        size_bytes=0,
        vetting=None,
        yank_reason="",
        yanked_from=None,
        contributors=("alice",),
    )


def vet(vetter: StructureVetter, files: tuple[ManifestFile, ...]) -> Vetting:
    return vetter.vet(version(files), files, 5)


FILES = {"a": b"one", "b/c": b"two", "empty": b"", "large": b"x" * 3_000_000}


def test_pass(blobs: CountingStore, vetter: StructureVetter) -> None:
    """Files that are what the manifest says pass, without findings."""
    vetting = vet(vetter, store(blobs, FILES))
    assert (vetting.verdict, vetting.findings) == (Verdict.PASS, ())
    assert vetting.rules_digest == vetter.rules_digest
    assert vetting.time_us == 5


def test_each_blob_is_read_once(blobs: CountingStore, vetter: StructureVetter) -> None:
    """A blob is read once, however many files and versions hold it."""
    files = store(blobs, {"a": b"one", "b": b"one"})
    vet(vetter, files)
    vet(vetter, files)
    assert blobs.reads == [files[0].sha256]


def test_few_are_remembered(
    blobs: CountingStore, vetter: StructureVetter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is bounded: the blob used longest ago is read again."""
    monkeypatch.setattr(structure, "_REMEMBERED_MAX", 2)
    small = StructureVetter(blobs=blobs)
    files = store(blobs, {"a": b"1", "b": b"2", "c": b"3"})
    vet(small, files)
    vet(small, files[1:])
    assert len(blobs.reads) == 3
    vet(small, files[:1])
    assert len(blobs.reads) == 4


def rule_of(vetting: Vetting) -> str:
    assert vetting.verdict is Verdict.FAIL
    (finding,) = vetting.findings
    assert finding.fails
    assert finding.fix
    return finding.rule


def test_missing_bytes(blobs: CountingStore, vetter: StructureVetter) -> None:
    """A file without bytes fails, and is looked for again next time."""
    files = (manifest_file("a", b"one"),)
    vetting = vet(vetter, files)
    assert rule_of(vetting) == "STRUCT-2"
    assert vetting.findings[0].path == "a"
    store(blobs, {"a": b"one"})
    assert vet(vetter, files).verdict is Verdict.PASS


def test_wrong_size(blobs: CountingStore, vetter: StructureVetter) -> None:
    """A file whose size is not what the manifest says fails, read before or not."""
    (file,) = store(blobs, {"a": b"one"})
    wrong = (dataclasses.replace(file, size_bytes=4),)
    for _ in range(2):
        assert rule_of(vet(vetter, wrong)) == "STRUCT-3"


def test_damaged_bytes(blobs: CountingStore, vetter: StructureVetter) -> None:
    """A file whose bytes do not hash to its digest fails."""
    files = store(blobs, {"a": b"one"})
    blobs.damage(files[0].sha256, b"two")
    assert rule_of(vet(vetter, files)) == "STRUCT-4"


@pytest.mark.parametrize("paths", [("../a",), ("a\0",), ("a", "A"), ("a", "a/b"), (".git/x",)])
def test_names(blobs: CountingStore, vetter: StructureVetter, paths: tuple[str, ...]) -> None:
    """Paths that no entrance should have let in fail here too."""
    (file,) = store(blobs, {"a": b"one"})
    files = tuple(dataclasses.replace(file, path=path) for path in paths)
    assert rule_of(vet(vetter, files)) == "STRUCT-1"


def test_other_manifest(blobs: CountingStore, vetter: StructureVetter) -> None:
    """Files that are not those of the version's digest fail."""
    files = store(blobs, {"a": b"one"})
    other = dataclasses.replace(version(files), digest="sha256:" + "0" * 64)
    assert rule_of(vetter.vet(other, files, 0)) == "STRUCT-5"


def test_names_are_judged_each_by_their_own(blobs: CountingStore, vetter: StructureVetter) -> None:
    """What was remembered of one manifest is said of no other: neither of its digest with other
    files, nor of its files with another digest, nor of one with many files."""
    for names in (["a"], [f"{n}" for n in range(structure._FEW_FILES + 1)]):
        files = store(blobs, dict.fromkeys(names, b"one"))
        renamed = (dataclasses.replace(files[0], path="../a"), *files[1:])
        as_passed = version(files)
        for _ in range(2):
            assert vet(vetter, files).verdict is Verdict.PASS
            assert rule_of(vetter.vet(as_passed, renamed, 0)) == "STRUCT-1"
            assert rule_of(vetter.vet(as_passed, files[1:], 0)) == "STRUCT-5"
            other = dataclasses.replace(as_passed, digest="sha256:" + "0" * 64)
            assert rule_of(vetter.vet(other, files, 0)) == "STRUCT-5"


def test_remembered_names_do_not_stand_for_bytes(
    blobs: CountingStore, vetter: StructureVetter
) -> None:
    """The bytes of a manifest seen before are looked at again."""
    files = store(blobs, {"a": b"one"})
    assert vet(StructureVetter(blobs=blobs), files).verdict is Verdict.PASS
    blobs.damage(files[0].sha256, b"two")
    assert rule_of(vet(vetter, files)) == "STRUCT-4"


def test_unreadable_store(blobs: CountingStore, vetter: StructureVetter) -> None:
    """A store that cannot be read is no verdict."""
    files = store(blobs, {"a": b"one"})
    blobs.error = StorageError(what="a", store="disk", cause="EIO")
    with pytest.raises(StorageError):
        vet(vetter, files)
    blobs.error = None
    assert vet(vetter, files).verdict is Verdict.PASS


def test_crash_is_unknown(
    blobs: CountingStore, vetter: StructureVetter, caplog: pytest.LogCaptureFixture
) -> None:
    """A check that crashes cannot tell, and the log says why."""
    files = store(blobs, {"a": b"one"})
    blobs.error = ZeroDivisionError("boom")
    vetting = vet(vetter, files)
    assert vetting.verdict is Verdict.UNKNOWN
    assert [f.rule for f in vetting.findings] == ["STRUCT-0"]
    assert "boom" in caplog.text


def test_rules_digest_is_stable() -> None:
    """Two vetters with the same rules have one rules digest."""
    first, second = (StructureVetter(blobs=MemoryBlobStore()) for _ in range(2))
    assert first.rules_digest == second.rules_digest
    assert first.rules_digest.startswith("sha256:")
