"""Drives a local store in a process of its own, which may be limited, robbed of rights or killed.

    python -m registry.testing.blob_driver COMMAND ROOT [STEP]

Prints what came of it as one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.blobs.local import LocalBlobStore
from registry.errors import HallmarkError
from registry.ports.blobs import PIECE_BYTES

KEY = "driven"
DATA = hashlib.shake_128(b"driven").digest(6 * PIECE_BYTES)
SHA256 = hashlib.sha256(DATA).hexdigest()
#: Of no size that divides a block or a piece.
STEP_BYTES = 5003
#: Cuts of the power that have to prove something, and how many are made for that.
CUTS = 40
ATTEMPTS_MAX = 120

Told = dict[str, object]


def outcome(call: Callable[[], object]) -> Told:
    """What the call raised, or that it went well."""
    try:
        call()
    except HallmarkError as error:
        return {"reason": error.reason, "message": str(error)}
    return {"reason": "OK", "message": ""}


def pieces(start: int) -> Iterator[bytes]:
    for offset in range(start, len(DATA), STEP_BYTES):
        yield DATA[offset : offset + STEP_BYTES]


def staged_bytes(store: LocalBlobStore) -> int:
    found = store.staged(KEY)
    return 0 if found is None else found.size_bytes


def fill(store: LocalBlobStore, make_room: Callable[[], object]) -> Told:
    """Send into a store that is too small, make room, and go on where it ended."""
    first = outcome(lambda: store.append(KEY, 0, pieces(0)))
    kept = staged_bytes(store)
    again = outcome(lambda: store.append(KEY, kept, pieces(kept)))
    make_room()
    end = store.append(KEY, kept, pieces(kept))
    committed = store.commit(KEY, SHA256, end)
    store.verify(SHA256)
    return {"first": first, "kept": kept, "again": again, "sha256": committed.sha256}


def fill_disk(store: LocalBlobStore, root: Path) -> Told:
    filler = root / "filler"
    full = os.statvfs(root)
    filler.write_bytes(bytes(full.f_bavail * full.f_frsize - len(DATA) // 2))
    return fill(store, filler.unlink)


def use_full_disk(store: LocalBlobStore, root: Path) -> Told:
    """Commit, check and copy where not one block is left."""
    store.append(KEY, 0, pieces(0))
    free = os.statvfs(root)
    (root / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))
    copy = root / "copy"
    return {
        "commit": outcome(lambda: store.commit(KEY, SHA256, len(DATA))),
        "check": outcome(store.check),
        "copy": outcome(lambda: store.copy_to(SHA256, copy)),
        "copy_exists": copy.exists(),
        "verify": outcome(lambda: store.verify(SHA256)),
    }


def fill_limit(store: LocalBlobStore, _root: Path) -> Told:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(DATA) // 2, hard))
    return fill(store, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))


def write_protected(store: LocalBlobStore, _root: Path) -> Told:
    """Every kind of writing and reading, where writing is not allowed."""
    return {
        "check": outcome(store.check),
        "append": outcome(lambda: store.append("other", 0, [b"x"])),
        "commit": outcome(lambda: store.commit(KEY, SHA256, len(DATA))),
        "discard": outcome(lambda: store.discard(KEY)),
        "delete": outcome(lambda: store.delete(SHA256)),
        "staged": staged_bytes(store),
        "verify": outcome(lambda: store.verify(SHA256)),
    }


def run_out_of_files(store: LocalBlobStore, _root: Path) -> Told:
    """Open as many files as the process may, use the store, close them, and use it again."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    taken = [os.dup(0)]
    while taken[-1] < 39:
        taken.append(os.dup(0))
    told = {
        "read": outcome(lambda: store.open_range(SHA256)),
        "append": outcome(lambda: store.append(KEY, 0, [b"x"])),
    }
    for fd in taken:
        os.close(fd)
    return {**told, "after": outcome(lambda: store.verify(SHA256))}


def append_until_killed(store: LocalBlobStore, _root: Path) -> Told:
    start = staged_bytes(store)
    store.append(KEY, start, pieces(start))
    signal.pause()
    return {}


def killed_at(step: int, call: Callable[[], object]) -> Told:
    """Run the call and die before its `step`th file operation, if it has so many."""
    left = step
    operations = ("open", "fcntl.", "os.rename", "os.utime", "os.chmod", "os.mkdir", "os.remove")

    def die(event: str, _: object) -> None:
        nonlocal left
        if event.startswith(operations):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    return outcome(call)


def cut_power(_store: LocalBlobStore, root: Path) -> Told:
    """Commit to the disk mounted at `now`; after each mount a copy of it and look for the blobs.

    A cut proves something where a file that nobody synced is gone after it. Another program's
    sync(2) writes back this disk as well, so a cut that came after one is not counted but repeated.
    """
    store = LocalBlobStore(root / "now" / "store")
    committed: list[str] = []
    lost: list[str] = []
    proven = 0
    while proven < CUTS and len(committed) < ATTEMPTS_MAX:
        number = len(committed)
        data = hashlib.shake_128(b"%d" % number).digest(number % CUTS * 9973)
        store.append(KEY, 0, [data])
        committed.append(store.commit(KEY, hashlib.sha256(data).hexdigest(), len(data)).sha256)
        (root / "now" / "unsynced").write_bytes(data + b"%d" % number)
        with disk_after_cut(root) as later:
            lost += [sha256 for sha256 in committed if not survives(later, sha256)]
            proven += not (root / "later" / "unsynced").exists()
        (root / "now" / "unsynced").unlink()
    return {"cuts": proven, "lost": lost, "repeated": len(committed) - proven}


@contextmanager
def disk_after_cut(root: Path) -> Iterator[LocalBlobStore]:
    shutil.copyfile(root / "disk", root / "copy")
    subprocess.run(["mount", "-o", "loop", root / "copy", root / "later"], check=True)
    try:
        yield LocalBlobStore(root / "later" / "store")
    finally:
        subprocess.run(["umount", root / "later"], check=True)


def survives(store: LocalBlobStore, sha256: str) -> bool:
    return outcome(lambda: store.verify(sha256))["reason"] == "OK"


COMMANDS: dict[str, Callable[[LocalBlobStore, Path], Told]] = {
    "fill-disk": fill_disk,
    "use-full-disk": use_full_disk,
    "fill-limit": fill_limit,
    "write-protected": write_protected,
    "run-out-of-files": run_out_of_files,
    "append-until-killed": append_until_killed,
    "cut-power": cut_power,
    "killed-commit": lambda store, _: killed_at(
        int(sys.argv[3]), lambda: store.commit(KEY, SHA256, len(DATA))
    ),
    "killed-check": lambda store, _: killed_at(int(sys.argv[3]), store.check),
}


def main() -> None:
    root = Path(sys.argv[2])
    print(json.dumps(COMMANDS[sys.argv[1]](LocalBlobStore(root), root)))


if __name__ == "__main__":
    main()
