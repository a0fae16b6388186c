"""A folder that is left readable: everything else stays closed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What is tried inside, by name: expressions of Python, `inside` and `outside` being folders.
_READS = {
    "a file": "open(inside / 'a.bin', 'rb').read() == b'inside'",
    "a file in a folder below": "(inside / 'sub/b.bin').read_bytes() == b'below'",
    "the list of files": "sorted(os.listdir(inside)) == ['a.bin', 'in', 'out', 'sub']",
    "all below": "sum(1 for _ in os.walk(inside)) == 2",
    "a file's size": "(inside / 'a.bin').stat().st_size == 6",
    "where a link leads": "os.readlink(inside / 'in') == 'a.bin'",
    "a link that stays inside": "(inside / 'in').read_bytes() == b'inside'",
    "a file that is mapped": "mapped(mmap.PROT_READ) == b'inside'",
}
_REFUSED = {
    "a file elsewhere": "os.open('/etc/passwd', os.O_RDONLY)",
    "a file beside the folder": "os.open(outside / 'c.bin', os.O_RDONLY)",
    "a way up from the folder": "os.open(inside / '../outside/c.bin', os.O_RDONLY)",
    "a link that leads out": "os.open(inside / 'out', os.O_RDONLY)",
    "a list of another folder": "os.listdir(outside)",
    "what is known of the process": "os.open('/proc/self/mem', os.O_RDONLY)",
    "a file to write": "os.open(inside / 'a.bin', os.O_WRONLY)",
    "a file to read and write": "os.open(inside / 'a.bin', os.O_RDWR)",
    "a file to append to": "os.open(inside / 'a.bin', os.O_RDONLY | os.O_APPEND)",
    "a file to cut": "os.open(inside / 'a.bin', os.O_RDONLY | os.O_TRUNC)",
    "a new file": "os.open(inside / 'new', os.O_RDONLY | os.O_CREAT, 0o600)",
    "a file without a name": "os.open(inside, os.O_RDWR | os.O_TMPFILE, 0o600)",
    "a new folder": "os.mkdir(inside / 'new')",
    "another name": "os.rename(inside / 'a.bin', inside / 'new')",
    "a second name": "os.link(inside / 'a.bin', inside / 'new')",
    "a link": "os.symlink('a.bin', inside / 'new')",
    "no file any more": "os.unlink(inside / 'a.bin')",
    "another mode": "os.chmod(inside / 'a.bin', 0o777)",
    "another time": "os.utime(inside / 'a.bin')",
    "another size": "os.truncate(inside / 'a.bin', 0)",
    "a program": "os.execv('/bin/true', ['true'])",
    "a program of the folder": "os.execv(inside / 'a.bin', ['a'])",
    "a process": "os.fork()",
    "a thread": "threading.Thread(target=print).start()",
    "a socket": "socket.socket()",
    "a socket of this machine": "socket.socket(socket.AF_UNIX)",
    "a file mapped as code": "mapped(mmap.PROT_READ | mmap.PROT_EXEC)",
    "signals of a file": "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    "a signal": "os.kill(os.getppid(), 0)",
    "a higher limit": "resource.setrlimit(resource.RLIMIT_NPROC, (9, 9))",
}
_SCRIPT = """
import ctypes, fcntl, json, mmap, os, resource, socket, sys, threading
from pathlib import Path
from registry.jail import lockdown

def refused(act):
    try:
        eval(act)
    except (OSError, RuntimeError, ValueError):
        return True
    return False

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p

def mapped(access):
    # As libraries do: Python's own asks for a second descriptor before.
    file = os.open(inside / "a.bin", os.O_RDONLY)
    address = libc.mmap(None, 4096, access, mmap.MAP_PRIVATE, file, ctypes.c_long(0))
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return ctypes.string_at(address, 6)

inside, outside, layer = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
reads, acts = json.loads(sys.argv[4])
if layer != "seccomp":
    lockdown.close_files([str(inside)])
if layer != "landlock":
    lockdown.close_calls(opening=True)
parts = {"reads": {name: eval(act) for name, act in reads.items()}}
parts["refused"] = {name: refused(act) for name, act in acts.items()}
os.write(1, json.dumps(parts).encode())
os._exit(0)
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    (inside / "a.bin").write_bytes(b"inside")
    (inside / "sub/b.bin").write_bytes(b"below")
    (outside / "c.bin").write_bytes(b"outside")
    (inside / "in").symlink_to("a.bin")
    (inside / "out").symlink_to(outside / "c.bin")
    return inside, outside


def _try(
    folders: tuple[Path, Path], layer: str, acts: dict[str, str]
) -> dict[str, dict[str, bool]]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *map(str, folders), layer, json.dumps([_READS, acts])],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    said: dict[str, dict[str, bool]] = json.loads(done.stdout)
    return said


@pytest.mark.slow
def test_below_the_folder_it_is_read_and_nothing_else_is_done(folders: tuple[Path, Path]) -> None:
    """With all layers."""
    said = _try(folders, "all", _REFUSED)
    assert all(said["reads"].values()), said
    assert all(said["refused"].values()), said
    assert (folders[0] / "a.bin").read_bytes() == b"inside"


@pytest.mark.slow
def test_each_layer_alone_keeps_from_writing(folders: tuple[Path, Path]) -> None:
    """A mistake in one is not the end: both refuse what would change a file."""
    writing = {
        name: act
        for name, act in _REFUSED.items()
        if name in ("a file to write", "a new file", "a new folder", "a link", "no file any more")
    }
    for layer in ("landlock", "seccomp"):
        said = _try(folders, layer, writing)
        assert all(said["reads"].values()), said
        assert all(said["refused"].values()), said
    assert os.listdir(folders[1]) == ["c.bin"]


_WRITING_SCRIPT = """
import json, os, sys
from registry.jail import lockdown

given = os.open(sys.argv[1], os.O_WRONLY)
lockdown.limit(memory_bytes=10**9, cpu_s=20, descriptors=64, file_bytes=int(sys.argv[2]))
lockdown.close_files()
lockdown.close_calls()

def written(data):
    try:
        return os.write(given, data)
    except OSError as error:
        return error.errno

def opened(path, flags):
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        return -error.errno

parts = [written(bytes(1000)), written(bytes(1000)), written(bytes(1))]
parts += [opened(sys.argv[1], os.O_WRONLY), opened(sys.argv[1] + "x", os.O_WRONLY | os.O_CREAT)]
os.write(1, json.dumps(parts).encode())
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        # All of it, as much as still fits, and then the error for a file that is too large.
        (1500, [1000, 500, errno.EFBIG, -errno.EPERM, -errno.EPERM]),
        (0, [errno.EFBIG, errno.EFBIG, errno.EFBIG, -errno.EPERM, -errno.EPERM]),
    ],
)
def test_a_file_that_is_handed_over_is_written_to_its_bound(
    tmp_path: Path, bound: int, expected: list[int]
) -> None:
    """And no other: with all layers none can be opened to be written, not even that one."""
    target = tmp_path / "target"
    target.touch()
    done = subprocess.run(
        [sys.executable, "-c", _WRITING_SCRIPT, str(target), str(bound)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == expected
    assert target.stat().st_size == bound
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
