"""What the manifests of a Database have to pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.domain.manifests import FILES_MAX, Manifest
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_file,
    a_manifest,
    all_pages,
    fresh,
    race,
    sha256_of,
)


class ManifestsContract:
    def test_keeps_every_file(self, database: Database) -> None:
        """A manifest comes back under its digest, file by file, sizes beyond 32 bits included."""
        files = [
            a_file("weights/model-00001.safetensors", fresh("bytes")),
            replace(a_file("ungeheuer groß.bin"), size_bytes=2**50),
            replace(a_file("leer"), size_bytes=0, media_type="text/plain"),
        ]
        manifest = Manifest.of(files)
        database.write(lambda tx: tx.manifests.save(manifest))
        assert database.read(lambda tx: tx.manifests.get(manifest.digest)) == manifest

    def test_an_unknown_digest_is_nothing(self, database: Database) -> None:
        """A digest without a manifest gives None and no files."""
        digest = f"sha256:{sha256_of(fresh('absent'))}"
        assert database.read(lambda tx: tx.manifests.get(digest)) is None
        assert list(database.read(lambda tx: tx.manifests.files(digest, None, 10))) == []
        assert list(database.read(lambda tx: tx.manifests.find(digest, ["a"]))) == []

    def test_gets_several_at_once(self, database: Database) -> None:
        """Of the digests asked for, those that are there come with all their files, in the order
        of a manifest; one without files too."""
        salt = fresh("salt")
        manifests = [a_manifest("b", "é", "Z", "a/x", salt), a_manifest(salt), Manifest.of([])]

        def save(tx: Transaction) -> None:
            for manifest in (*manifests, a_manifest("other", salt)):
                tx.manifests.save(manifest)

        database.write(save)
        digests = [*(manifest.digest for manifest in manifests), f"sha256:{sha256_of(salt)}"]
        found = database.read(lambda tx: tx.manifests.get_many(digests))
        assert found == {manifest.digest: manifest for manifest in manifests}
        assert database.read(lambda tx: tx.manifests.get_many([])) == {}

    def test_one_without_files_is_there(self, database: Database) -> None:
        """The manifest without files is told apart from one that is not there."""
        empty = Manifest.of([])
        database.write(lambda tx: tx.manifests.save(empty))
        assert database.read(lambda tx: tx.manifests.get(empty.digest)) == empty

    def test_saving_again_changes_nothing(self, database: Database) -> None:
        """A manifest that is there stays as it is."""
        manifest = a_manifest()
        for _ in range(2):
            database.write(lambda tx: tx.manifests.save(manifest))
        assert database.read(lambda tx: tx.manifests.get(manifest.digest)) == manifest

    def test_saved_by_many_at_once_it_is_there_once(self, database: Database) -> None:
        """Racing writers of one manifest all succeed, and its files are there once."""
        manifest = Manifest.of(a_file(f"{n}", fresh("bytes")) for n in range(100))
        race(WRITERS, lambda _: database.write(lambda tx: tx.manifests.save(manifest)))
        assert database.read(lambda tx: tx.manifests.get(manifest.digest)) == manifest

    def test_files_come_in_pages_by_the_bytes_of_their_path(self, database: Database) -> None:
        """Pages follow each other in byte order, capitals first and without regard to language."""
        paths = ["Z", "a", "B/x", "B-x", "bb", "é", "e", "ﬀ", "\U0001f600", "10", "9", "_"]
        salt = a_file(fresh("salt"))
        manifest = Manifest.of([*(a_file(path) for path in paths), salt])
        database.write(lambda tx: tx.manifests.save(manifest))
        found = all_pages(
            lambda after: database.read(lambda tx: tx.manifests.files(manifest.digest, after, 5)),
            lambda file: (file.path,),
            size=5,
        )
        assert [f.path for f in found] == sorted([*paths, salt.path], key=str.encode)
        assert tuple(found) == manifest.files

    def test_finds_files_by_path(self, database: Database) -> None:
        """Of the paths asked for, those that the manifest has are found, by path."""
        manifest = a_manifest("b", "a", "c", fresh("salt"))
        database.write(lambda tx: tx.manifests.save(manifest))
        found = database.read(lambda tx: tx.manifests.find(manifest.digest, ["c", "x", "a", "A"]))
        assert [f.path for f in found] == ["a", "c"]
        assert list(database.read(lambda tx: tx.manifests.find(manifest.digest, []))) == []

    def test_tells_whether_two_share_bytes(self, database: Database) -> None:
        """Equal bytes count under any path; empty files and equal paths alone do not."""
        shared, empty = a_file("a", fresh("bytes")), replace(a_file("empty", ""), size_bytes=0)
        one = Manifest.of([shared, empty, a_file("x", fresh("one"))])
        other = Manifest.of([replace(shared, path="b"), a_file("x", fresh("other"))])
        third = Manifest.of([a_file("a", fresh("third")), empty])
        database.write(lambda tx: tx.manifests.save(one))
        database.write(lambda tx: tx.manifests.save(other))
        database.write(lambda tx: tx.manifests.save(third))
        assert database.read(lambda tx: tx.manifests.share_bytes(one.digest, other.digest))
        assert not database.read(lambda tx: tx.manifests.share_bytes(one.digest, third.digest))

    @pytest.mark.slow
    def test_holds_as_many_files_as_a_manifest_may_have(self, database: Database) -> None:
        """The largest manifest is written, read and searched whole."""
        salt = fresh("salt")
        manifest = Manifest.of(a_file(f"{salt}/{n:06}") for n in range(FILES_MAX))
        database.write(lambda tx: tx.manifests.save(manifest))
        assert database.read(lambda tx: tx.manifests.get(manifest.digest)) == manifest
        paths = [f.path for f in manifest.files]
        found = database.read(lambda tx: tx.manifests.find(manifest.digest, paths))
        assert tuple(found) == manifest.files
