"""What this machine's jail enforces, by trying: a prisoner does what it must not, and tells.

    python -m registry.jail.check LIMITS

Each layer is tried by itself, in a process of its own, then all together: that a call is refused
says nothing of which layer did it.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.jail import lockdown

TIMEOUT_S = 30.0
_MEMORY_BYTES = 1_000_000_000
_PTRACE = {"x86_64": 101, "aarch64": 117}


@dataclass(frozen=True, kw_only=True)
class Layer:
    name: str
    #: Why it cannot be had; empty where it can.
    missing: str
    #: What was tried, and whether it was refused.
    refused: Mapping[str, bool]

    @property
    def holds(self) -> bool:
        return not self.missing and all(self.refused.values())


def jail_check() -> tuple[Layer, ...]:
    """Each layer, and `all`: with none missing and everything refused, the jail is closed."""
    return tuple(_try(layer) for layer in (*_LAYERS, "all"))


def _try(layer: str) -> Layer:
    done = subprocess.run(
        [sys.executable, "-m", "registry.jail.check", layer],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        timeout=TIMEOUT_S,
        check=False,
    )
    try:
        said = json.loads(done.stdout)
        return Layer(name=layer, missing=str(said["missing"]), refused=dict(said["refused"]))
    except (ValueError, KeyError, TypeError):
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Layer(name=layer, missing=f"it ended with {done.returncode}: {last}", refused={})


def main(layer: str) -> None:
    parent = os.getppid()
    acts = _acts(parent)
    missing = ""
    try:
        for each in _LAYERS if layer == "all" else (layer,):
            _LAYERS[each]()
    except lockdown.LockdownError as error:
        missing = str(error)
    wanted = {name for names in _REFUSED.values() for name in names}
    if layer != "all":
        wanted = set(_REFUSED[layer])
    refused = {} if missing else {name: _is_refused(acts[name]) for name in sorted(wanted)}
    os.write(1, json.dumps({"missing": missing, "refused": refused}).encode())
    # Without what Python does at its end, which would ask for more than it may.
    os._exit(0)


def _limit() -> None:
    lockdown.limit(memory_bytes=_MEMORY_BYTES, cpu_s=20, descriptors=64)


_LAYERS: Mapping[str, Callable[[], None]] = {
    "rlimits": _limit,
    "landlock": lockdown.close_files,
    "seccomp": lockdown.close_calls,
}
#: What each layer has to refuse by itself.
_REFUSED: Mapping[str, tuple[str, ...]] = {
    "rlimits": ("take 2 GB of memory",),
    "landlock": ("read a file", "make a file", "list a folder", "run a program"),
    "seccomp": (
        *("read a file", "make a file", "list a folder", "look at a path", "run a program"),
        *("start a process", "open a socket", "signal a process", "trace a process"),
        # As root with all capabilities a limit alone could be lifted again.
        *("map memory that can be executed", "lift a limit"),
    ),
}


def _acts(parent: int) -> Mapping[str, Callable[[], Any]]:
    libc = ctypes.CDLL(None, use_errno=True)
    ptrace = _PTRACE.get(os.uname().machine, -1)

    def trace() -> None:
        if libc.syscall(ptrace, 16, parent, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def lift() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    return {
        "take 2 GB of memory": lambda: bytearray(2 * _MEMORY_BYTES),
        "lift a limit": lift,
        "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "make a file": lambda: os.open("/tmp/hallmark-jail", os.O_WRONLY | os.O_CREAT, 0o600),
        "list a folder": lambda: os.listdir("/"),
        "look at a path": lambda: os.stat("/etc/passwd"),
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "start a process": _fork,
        "open a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "signal a process": lambda: os.kill(parent, 0),
        "trace a process": trace,
        "map memory that can be executed": lambda: mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC
        ),
    }


def _fork() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.kill(child, signal.SIGKILL)


def _is_refused(act: Callable[[], Any]) -> bool:
    try:
        act()
    except (OSError, ValueError, MemoryError):
        return True
    return False


if __name__ == "__main__":
    main(sys.argv[1])
