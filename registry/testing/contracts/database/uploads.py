"""What the upload sessions of a Database have to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from registry.domain.manifests import FILES_MAX, Manifest
from registry.domain.uploads import Upload, UploadFile
from registry.errors import ConflictError
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_file,
    fresh,
    race,
    sha256_of,
)


def an_upload(*paths: str) -> Upload:
    """To be inserted; no file of it is stored."""
    files = Manifest.of(a_file(path) for path in paths)
    return Upload(
        key=0,
        id=fresh("u"),
        model="fraud/scorer",
        namespace="fraud",
        creator="ada",
        token="t1",
        files=tuple(UploadFile(file=file, stored=False) for file in files.files),
        digest=files.digest,
        create_time_us=T0,
        expire_time_us=T0 + 100,
        ended=False,
    )


def complete(*paths: str) -> Upload:
    """To be inserted; every file of it is stored."""
    upload = an_upload(*paths)
    return replace(upload, files=tuple(replace(f, stored=True) for f in upload.files))


def add(database: Database, upload: Upload) -> Upload:
    return database.write(lambda tx: tx.uploads.insert(upload))


def get(database: Database, upload: Upload) -> Upload | None:
    return database.read(lambda tx: tx.uploads.get(upload.id))


def all_stored(files: Sequence[UploadFile], sha256: str) -> tuple[UploadFile, ...]:
    return tuple(replace(f, stored=f.stored or f.file.sha256 == sha256) for f in files)


class UploadsContract:
    def test_a_session_is_kept_whole(self, database: Database) -> None:
        """A session comes back as it was put in, with its key and its files by path."""
        upload = an_upload("b", "a", "C/größer")
        half = replace(upload, files=all_stored(upload.files, sha256_of("b")))
        stored = add(database, half)
        assert stored == replace(half, key=stored.key)
        assert [f.file.path for f in stored.files] == ["C/größer", "a", "b"]
        assert [f.stored for f in stored.files] == [False, False, True]
        assert get(database, upload) == stored
        assert database.write(lambda tx: tx.uploads.lock(upload.id)) == stored

    def test_an_unknown_session_is_none(self, database: Database) -> None:
        """An id that no session has gives None, however it is asked for."""
        assert database.read(lambda tx: tx.uploads.get("none")) is None
        assert database.read(lambda tx: tx.uploads.find("none", sha256_of("a"))) is None
        assert database.write(lambda tx: tx.uploads.lock("none")) is None

    def test_finds_the_files_of_one_digest(self, database: Database) -> None:
        """Asked for a digest, a session comes with its files of that digest alone."""
        same = [UploadFile(file=a_file(path, "same"), stored=False) for path in ("x", "y")]
        upload = an_upload("a", "b")
        stored = add(database, replace(upload, files=(*upload.files, *same)))
        found = find(database, upload, sha256_of("same"))
        assert found == replace(stored, files=tuple(same))
        assert find(database, upload, sha256_of("else")) == replace(stored, files=())

    def test_files_can_be_added(self, database: Database) -> None:
        """Added files join the session's, whose digest is the new one."""
        whole = an_upload("a", "b", "c")
        part = an_upload("b")
        stored = add(database, replace(part, id=whole.id))
        more = [whole.files[0], whole.files[2]]
        database.write(lambda tx: tx.uploads.add_files(stored.key, more, whole.digest))
        assert get(database, whole) == replace(whole, key=stored.key)

    def test_a_path_is_there_once(self, database: Database) -> None:
        """A file that a session has already is a conflict, and changes nothing."""
        stored = add(database, an_upload("a", "b"))
        again = [UploadFile(file=a_file("b", "other"), stored=True)]
        with pytest.raises(ConflictError):
            database.write(lambda tx: tx.uploads.add_files(stored.key, again, "sha256:x"))
        assert get(database, stored) == stored

    def test_stored_files_are_marked(self, database: Database) -> None:
        """All files of a digest are marked as stored, and the session lives on; others are not."""
        same = UploadFile(file=a_file("z", "a"), stored=False)
        upload = an_upload("a", "b")
        stored = add(database, replace(upload, files=(*upload.files, same)))
        other = add(database, an_upload("a"))
        digest = sha256_of("a")
        database.write(lambda tx: tx.uploads.mark_stored(stored.key, digest, T0 + 500))
        assert get(database, stored) == replace(
            stored, files=all_stored(stored.files, digest), expire_time_us=T0 + 500
        )
        assert get(database, other) == other

    def test_racing_marks_are_all_kept(self, database: Database) -> None:
        """Files that arrive at once are all stored in the end."""
        paths = [f"{n:02}" for n in range(WRITERS)]
        stored = add(database, an_upload(*paths))

        def mark(writer: int) -> None:
            sha256 = sha256_of(paths[writer])
            database.write(lambda tx: tx.uploads.mark_stored(stored.key, sha256, T0 + 500))

        race(WRITERS, mark)
        found = get(database, stored)
        assert found is not None
        assert all(f.stored for f in found.files)

    def test_writers_that_lock_see_each_others_files(self, database: Database) -> None:
        """Of writers that lock a session and add to it, each sees the files of those before it."""
        stored = add(database, an_upload("first"))

        def add_one(writer: int) -> int:
            def write(tx: Transaction) -> int:
                locked = tx.uploads.lock(stored.id)
                assert locked is not None
                new = [UploadFile(file=a_file(f"{writer}"), stored=False)]
                tx.uploads.add_files(locked.key, new, f"sha256:{writer}")
                return len(locked.files)

            return database.write(write)

        assert sorted(race(WRITERS, add_one)) == list(range(1, WRITERS + 1))

    def test_counts_sessions_that_wait_for_bytes(self, database: Database) -> None:
        """Sessions of a principal that lack bytes and have neither ended nor run out of time are
        counted."""
        put = [add(database, an_upload("a")) for _ in range(3)]
        add(database, replace(an_upload("a"), creator="grace"))
        add(database, replace(an_upload("a"), expire_time_us=T0 + 10))
        end(database, put[0])
        add(database, complete("a", "b"))
        add(database, replace(an_upload("a"), files=(*complete("b").files, *an_upload("a").files)))

        def count(creator: str, now_us: int) -> int:
            return database.read(lambda tx: tx.uploads.awaiting_count(creator, now_us))

        assert count("ada", T0) == 4
        assert count("ada", T0 + 10) == 3
        assert count("grace", T0) == 1
        assert count("ada", T0 + 100) == 0
        assert count("nobody", T0) == 0

    def test_sums_the_bytes_that_are_waited_for(self, database: Database) -> None:
        """What the live sessions of a principal lack is summed up, each session's by itself."""
        put = [add(database, an_upload("a", "b")) for _ in range(2)]
        add(database, replace(an_upload("a"), creator="grace"))
        add(database, complete("a"))

        def awaited(creator: str, now_us: int) -> int:
            return database.read(lambda tx: tx.uploads.awaited_bytes(creator, now_us))

        lacking = sum(file.file.size_bytes for file in an_upload("a", "b").files)
        assert lacking > 0
        assert awaited("ada", T0) == 2 * lacking
        end(database, put[0])
        assert awaited("ada", T0) == lacking
        assert awaited("ada", T0 + 100) == 0
        assert awaited("nobody", T0) == 0

    def test_finds_overdue_sessions(self, database: Database) -> None:
        """Sessions out of time that have not ended are found, earliest first, with their files."""
        put = [
            add(database, replace(an_upload("a", "b"), expire_time_us=T0 + offset_us))
            for offset_us in (30, 10, 20, 15)
        ]
        end(database, put[3])
        extend(database, put[2], T0 + 99)

        def overdue(now_us: int, limit: int) -> Sequence[Upload]:
            return database.read(lambda tx: tx.uploads.overdue(now_us, limit))

        assert overdue(T0 + 30, 10) == [put[1], put[0]]
        assert overdue(T0 + 30, 1) == [put[1]]
        assert overdue(T0 + 9, 10) == []
        assert get(database, put[2]) == replace(put[2], expire_time_us=T0 + 99)
        assert get(database, put[3]) == replace(put[3], ended=True)

    @pytest.mark.slow
    def test_holds_as_many_files_as_a_manifest_may_have(self, database: Database) -> None:
        """A session of the most files there can be is stored, and one file of it found."""
        upload = an_upload(*(f"{n:06}" for n in range(FILES_MAX)))
        stored = add(database, upload)
        assert get(database, upload) == stored
        found = find(database, upload, sha256_of("000007"))
        assert found is not None
        assert [f.file.path for f in found.files] == ["000007"]


def find(database: Database, upload: Upload, sha256: str) -> Upload | None:
    return database.read(lambda tx: tx.uploads.find(upload.id, sha256))


def extend(database: Database, upload: Upload, expire_time_us: int) -> None:
    database.write(lambda tx: tx.uploads.extend(upload.key, expire_time_us))


def end(database: Database, upload: Upload) -> None:
    database.write(lambda tx: tx.uploads.end(upload.key))
