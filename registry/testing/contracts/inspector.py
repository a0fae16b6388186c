"""What every Inspector has to do. Subclass, and give the fixture `bench`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.domain.file_formats import role_of
from registry.domain.inspections import FileResult, Subject, files_digest
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.versions import Verdict
from registry.ports.blobs import BlobStore
from registry.ports.database import Database
from registry.ports.vetting import Inspector
from registry.testing.sound import weights

PATIENCE_S = 60.0
AGAIN_S = 2.0
HOSTILE = b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R."


@dataclass(kw_only=True)
class Bench:
    inspector: Inspector
    database: Database
    blobs: BlobStore
    #: Digests that it has said to be done with.
    inspected: list[str] = field(default_factory=list)

    def manifest(self, files: Mapping[str, bytes]) -> Manifest:
        """A stored manifest, with its bytes."""
        for data in files.values():
            self.store(data)
        made = manifest_of(files)
        self.database.write(lambda tx: tx.manifests.save(made))
        return made

    def store(self, data: bytes) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs.append("staged", 0, [data])
        self.blobs.commit("staged", sha256, len(data))

    def results(self, manifest: Manifest) -> Mapping[str, FileResult]:
        """What is known of its files, by path."""
        listed = files_digest(manifest.files)
        subjects = {
            file.path: Subject(file.sha256, role_of(file.path), listed) for file in manifest.files
        }
        rules = self.inspector.rules_digest
        known = self.database.read(lambda tx: tx.vetting.results(set(subjects.values()), rules))
        return {path: known[each] for path, each in subjects.items() if each in known}

    def done(self, manifest: Manifest) -> Mapping[str, FileResult]:
        """Its results, once there is one for each file. Asks again now and then, as servers do."""
        start = time.monotonic()
        until, again = start + PATIENCE_S, start + AGAIN_S
        while len(found := self.results(manifest)) < len(manifest.files):
            assert time.monotonic() < until, found
            time.sleep(0.05)
            if time.monotonic() > again:
                again += AGAIN_S
                self.inspector.want([manifest.digest])
        while manifest.digest not in self.inspected:
            assert time.monotonic() < until
            time.sleep(0.05)
        return found


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    return Manifest.of(
        ManifestFile(
            path=path,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            media_type="application/octet-stream",
        )
        for path, data in files.items()
    )


class InspectorContract:
    def test_every_file_gets_its_result(self, bench: Bench) -> None:
        """By its bytes and what its name says, with what was read and learned."""
        sound, files = (
            weights(b"abc"),
            {"README.md": b"# A\n", "odd.xyz": b"\xff\xfe", "x.pkl": HOSTILE},
        )
        manifest = bench.manifest({"w.safetensors": sound, **files})
        bench.inspector.want([manifest.digest])
        found = bench.done(manifest)
        verdicts = {path: result.verdict for path, result in found.items()}
        assert verdicts == {
            "w.safetensors": Verdict.PASS,
            "README.md": Verdict.PASS,
            "odd.xyz": Verdict.UNKNOWN,
            "x.pkl": Verdict.FAIL,
        }
        weights_found = found["w.safetensors"]
        assert weights_found.format == "safetensors"
        assert weights_found.found_sha256 == hashlib.sha256(sound).hexdigest()
        assert weights_found.size_bytes == len(sound)
        assert {finding.rule for finding in found["x.pkl"].findings} == {"PICKLE-8"}
        assert {finding.path for finding in found["x.pkl"].findings} == {""}

    def test_what_is_known_is_not_looked_at_again(self, bench: Bench) -> None:
        """Asked for twice, or by another manifest, a file keeps the result that it has."""
        manifest = bench.manifest({"a.txt": b"a"})
        bench.inspector.want([manifest.digest])
        first = bench.done(manifest)["a.txt"]
        larger = bench.manifest({"a.txt": b"a", "b.txt": b"b"})
        bench.inspector.want([manifest.digest, larger.digest])
        assert bench.done(larger)["a.txt"] == first

    def test_missing_bytes_are_told(self, bench: Bench) -> None:
        """They fail the file; once they are there it can be looked at."""
        manifest = manifest_of({"a.txt": b"not there"})
        bench.database.write(lambda tx: tx.manifests.save(manifest))
        bench.inspector.want([manifest.digest])
        (found,) = bench.done(manifest).values()
        assert (found.verdict, found.findings[0].rule) == (Verdict.FAIL, "STRUCT-2")
        bench.store(b"not there")
        bench.database.write(lambda tx: tx.vetting.forget_unread())
        bench.inspected.clear()
        bench.inspector.want([manifest.digest])
        assert bench.done(manifest)["a.txt"].verdict is Verdict.PASS

    def test_many_files_are_looked_at_lot_by_lot(self, bench: Bench) -> None:
        """More than fit one lot, some of equal bytes."""
        files = {f"{number:03}.txt": b"%d" % (number % 100) for number in range(150)}
        manifest = bench.manifest(files)
        bench.inspector.want([manifest.digest])
        found = bench.done(manifest)
        assert {result.verdict for result in found.values()} == {Verdict.PASS}
