"""Real faults on the local store: full and read-only disks, missing rights, kills.

The store runs in a process of its own. Its disks are tmpfs mounts that only this process sees;
where the system forbids such mounts, limits on the process and rights on folders remain.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from registry.blobs.local import LocalBlobStore
from registry.ports.blobs import PIECE_BYTES
from registry.testing.blob_driver import DATA, KEY, SHA256, pieces

AS_ROOT = os.geteuid() == 0
OWN_MOUNTS = ["unshare", "--mount"] if AS_ROOT else ["unshare", "--mount", "--map-root-user"]
MAY_MOUNT = subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode == 0

#: Makes the folder a disk of its own for the command that follows.
SMALL_DISK = 'mount -t tmpfs -o size=32m none "$0" && exec "$@"'
#: The same folder once more, but read-only.
READ_ONLY_DISK = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
#: A staging folder on another disk than the blobs.
TWO_DISKS = 'mkdir -p "$0/staging" && mount -t tmpfs none "$0/staging" && exec "$@"'
#: Root writes anywhere by its capabilities; without them it is bound by rights like anybody.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if AS_ROOT else []


def driver(command: str, root: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "registry.testing.blob_driver", command, str(root), *more]


def drive(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def mounted(script: str, root: Path, command: str) -> list[str]:
    return [*OWN_MOUNTS, "sh", "-c", script, str(root), *driver(command, root)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    root.mkdir()
    return root


@pytest.fixture
def store(root: Path) -> LocalBlobStore:
    return LocalBlobStore(root)


def put(store: LocalBlobStore) -> None:
    store.append(KEY, 0, pieces(0))
    store.commit(KEY, SHA256, len(DATA))


class TestLimits:
    """Faults that limits and rights bring about, on every system."""

    def test_no_room_keeps_what_arrived(self, root: Path) -> None:
        """A file that outgrows the limit is told as full, and goes on from what was written."""
        told = drive(driver("fill-limit", root))
        assert told["first"]["reason"] == told["again"]["reason"] == "STORAGE_FULL"
        assert "EFBIG" in told["first"]["message"]
        assert told["kept"] == len(DATA) // 2
        assert told["sha256"] == SHA256

    def test_missing_rights_are_told(self, store: LocalBlobStore, root: Path) -> None:
        """Where nothing may be written all writing says so, and reading goes on."""
        put(store)
        store.append(KEY, 0, [b"kept"])
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        (root / "staging" / KEY).chmod(0o444)
        try:
            told = drive([*WITHOUT_RIGHTS, *driver("write-protected", root)])
        finally:
            for folder in folders:
                folder.chmod(0o755)
        for call in ("check", "append", "discard", "delete"):
            assert told[call]["reason"] == "STORAGE_UNAVAILABLE", call
            assert "EACCES" in told[call]["message"], call
        assert str(root) in told["check"]["message"]
        assert told["commit"]["reason"] == "SIZE_MISMATCH"
        assert told["staged"] == 4
        assert told["verify"]["reason"] == "OK"

    def test_a_root_that_cannot_be_made_is_told(self, root: Path) -> None:
        """A check says why the store's own folder cannot be made, and which it is."""
        root.chmod(0o555)
        told = drive([*WITHOUT_RIGHTS, *driver("write-protected", root / "new")])
        root.chmod(0o755)
        assert told["check"]["reason"] == "STORAGE_UNAVAILABLE"
        assert f"{root}/new" in told["check"]["message"]
        assert told["verify"]["reason"] == "NOT_FOUND"

    def test_too_many_open_files_pass(self, store: LocalBlobStore, root: Path) -> None:
        """Running out of descriptors is told, and all is well once they are closed."""
        put(store)
        told = drive(driver("run-out-of-files", root))
        for call in ("read", "append"):
            assert told[call]["reason"] == "STORAGE_UNAVAILABLE"
            assert "EMFILE" in told[call]["message"]
        assert told["after"]["reason"] == "OK"


if MAY_MOUNT:

    class TestDisks:
        """Faults of whole disks, where the system lets a test mount its own."""

        def test_a_full_disk_keeps_what_arrived(self, root: Path) -> None:
            """A full disk is told, and with room again the upload goes on from what fitted."""
            told = drive(mounted(SMALL_DISK, root, "fill-disk"))
            assert told["first"]["reason"] == told["again"]["reason"] == "STORAGE_FULL"
            assert "ENOSPC" in told["first"]["message"]
            assert 0 < told["kept"] <= len(DATA) // 2
            assert told["sha256"] == SHA256

        def test_no_block_left(self, root: Path) -> None:
            """With the last block gone a commit needs no more; check and copy say that it is."""
            told = drive(mounted(SMALL_DISK, root, "use-full-disk"))
            assert told["commit"]["reason"] == told["verify"]["reason"] == "OK"
            assert told["check"]["reason"] == told["copy"]["reason"] == "STORAGE_FULL"
            assert not told["copy_exists"]

        def test_a_read_only_disk_is_told(self, store: LocalBlobStore, root: Path) -> None:
            """On a read-only file system writing says so and how to mend it; reading goes on."""
            put(store)
            store.append(KEY, 0, [b"kept"])
            told = drive(mounted(READ_ONLY_DISK, root, "write-protected"))
            for call in ("check", "append", "discard", "delete"):
                assert told[call]["reason"] == "STORAGE_UNAVAILABLE", call
                assert "EROFS" in told[call]["message"], call
            assert "mount the file system writable" in told["check"]["message"]
            assert told["verify"]["reason"] == "OK"

        def test_two_disks_are_refused_at_start(self, root: Path) -> None:
            """Staging and blobs on two file systems never could be renamed: the check says so."""
            told = drive(mounted(TWO_DISKS, root, "write-protected"))
            assert told["check"]["reason"] == "STORAGE_UNAVAILABLE"
            assert "one file system" in told["check"]["message"]


@pytest.mark.slow
class TestKills:
    """SIGKILL at any point leaves what was staged, or the blob, and nothing between."""

    def test_killed_appends_go_on(self, store: LocalBlobStore, root: Path) -> None:
        """After each kill the staged bytes are a true prefix, and the upload ends well."""
        for target in range(1, 6):
            wanted = target * PIECE_BYTES
            sender = subprocess.Popen(driver("append-until-killed", root))
            while self.staged_bytes(store) < wanted:
                assert sender.poll() is None
                time.sleep(0.001)
            sender.kill()
            assert sender.wait() == -signal.SIGKILL
            kept = self.staged_bytes(store)
            assert (root / "staging" / KEY).read_bytes() == DATA[:kept]
        kept = self.staged_bytes(store)
        assert store.append(KEY, kept, pieces(kept)) == len(DATA)
        store.commit(KEY, SHA256, len(DATA))
        store.verify(SHA256)

    def test_a_commit_killed_at_any_step_repeats(self, tmp_path: Path) -> None:
        """Wherever a commit dies, the blob is whole or absent, and a second commit ends it."""
        seen = set()
        for step in range(1, 100):
            root = tmp_path / str(step)
            store = LocalBlobStore(root)
            store.append(KEY, 0, pieces(0))
            done = subprocess.run(
                driver("killed-commit", root, str(step)), capture_output=True, check=False
            )
            seen.add(self.whole_or_staged(store))
            store.commit(KEY, SHA256, len(DATA))
            assert [found.sha256 for found in store.list_blobs()] == [SHA256]
            assert list(store.list_staged()) == []
            path = store.local_path(SHA256)
            assert path is not None
            assert path.stat().st_mode & 0o777 == 0o444
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
        else:
            pytest.fail("The commit never came to its end.")
        assert step > 8
        assert seen == {"staged", "whole"}

    def test_a_check_killed_at_any_step_leaves_no_trace(
        self, store: LocalBlobStore, root: Path
    ) -> None:
        """A check that died is followed by one that succeeds, and shows nothing meanwhile."""
        for step in range(1, 100):
            done = subprocess.run(
                driver("killed-check", root, str(step)), capture_output=True, check=False
            )
            assert list(store.list_blobs()) == []
            assert list(store.list_staged()) == []
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
        assert 8 < step < 99
        assert sorted(path.name for path in root.rglob("*")) == ["blobs", "staging"]

    def staged_bytes(self, store: LocalBlobStore) -> int:
        found = store.staged(KEY)
        return 0 if found is None else found.size_bytes

    def whole_or_staged(self, store: LocalBlobStore) -> str:
        if store.stat(SHA256) is not None:
            store.verify(SHA256)
            assert self.staged_bytes(store) == 0
            return "whole"
        assert self.staged_bytes(store) == len(DATA)
        return "staged"
