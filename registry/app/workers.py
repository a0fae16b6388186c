"""Further processes that answer gRPC, so that a server uses more cores than one.

One interpreter runs Python on one core at a time. Workers listen on the gRPC port of the first
process, and the kernel spreads new connections over all of them; HTTP, vetting and what else a
server does by itself stay with the first one. All of them write to the database, a SQLite file in
turns, and what they remember of it they tell each other to forget (`registry/board.py`).

A worker is a fresh process, since this one has threads and cannot be forked. Between the two is a
socket: over it goes what the worker needs, then that it is ready, that it asks for vetting, and
that it is to stop. It ends when the other end is closed, so none outlives its server. One that ends
by itself is replaced.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from registry import cores
from registry.app.registry import GRACE_S, Registry

logger = logging.getLogger(__name__)

READY = b"ready"
VET = b"vet"
STOP = b"stop"
MESSAGE_BYTES_MAX = 4096
START_WAIT_S = 30.0
#: One that ends at once when it is started is not started again and again at full speed.
RESTART_AFTER_S = 1.0
#: What is to be vetted is looked for at most so often.
_GATHER_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Handover:
    """What a worker needs to know, beside the settings, of the process that it belongs to.

    With it come the files of the board and, where there is one, of the database's lock.
    """

    place: int
    core: int | None
    grpc_port: int
    http_url: str


class Workers:
    """Started at once, so that they load while the registry opens; idle until `start`."""

    def __init__(self, count: int, environment: Mapping[str, str]) -> None:
        """`environment` has the settings."""
        self._workers = [_Worker(number + 1, environment) for number in range(count)]

    def start(self, registry: Registry) -> None:
        """Let them answer; returns when they do. Calls are answered meanwhile, and even if one
        does not come up."""
        for worker in self._workers:
            worker.start(registry)
        until_s = time.monotonic() + START_WAIT_S
        for worker in self._workers:
            worker.wait_until_ready(until_s)

    def ask_to_stop(self) -> None:
        """Let them end what is in progress, within the grace, and close."""
        for worker in self._workers:
            worker.ask_to_stop()

    def wait(self) -> None:
        """Return when all have ended."""
        for worker in self._workers:
            worker.wait()


class _Worker:
    def __init__(self, place: int, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = dict(environment)
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._spawn()

    def _spawn(self) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # Not where a folder named `registry` may lie that is not ours (-P). In a session of its
            # own, so that Ctrl-C in a terminal reaches the first process alone.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "registry.app.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, registry: Registry) -> None:
        self._registry = registry
        self._hand_over()
        self._thread = threading.Thread(
            target=self._watch, name=f"worker-{self._place}", daemon=True
        )
        self._thread.start()

    def wait_until_ready(self, until_s: float) -> None:
        if not self._ready.wait(max(0.0, until_s - time.monotonic())):
            logger.warning("worker %d is not ready yet; the others answer", self._place)

    def ask_to_stop(self) -> None:
        with self._changing:
            self._stopping.set()
            # It may have ended, or be ending, by itself.
            with contextlib.suppress(OSError):
                self._link.send(STOP)

    def wait(self) -> None:
        if self._thread is None:
            # It was not told what it is for, and has nothing to end.
            self._link.close()
        try:
            self._process.wait(GRACE_S + RESTART_AFTER_S)
        except subprocess.TimeoutExpired:
            logger.error("worker %d did not stop within its grace and is killed", self._place)
            self._process.kill()
            self._process.wait()
        if self._thread is not None:
            self._thread.join()

    def _hand_over(self) -> None:
        registry = self._registry
        handover = Handover(
            place=self._place,
            core=cores.beside(self._place),
            grpc_port=registry.grpc_port,
            http_url=registry.http_url,
        )
        lock = registry.lock_file
        files = [registry.board.file] if lock is None else [registry.board.file, lock]
        # Where it is gone already, `_watch` finds that out.
        with contextlib.suppress(OSError):
            socket.send_fds(self._link, [json.dumps(asdict(handover)).encode()], files)

    def _watch(self) -> None:
        while True:
            said = self._hear()
            if said == READY:
                self._ready.set()
            elif said == VET:
                time.sleep(_GATHER_S)
                self._registry.board.heed(self._place)
                self._registry.wake_vetting()
            elif not self._replace():
                return

    def _hear(self) -> bytes:
        """The next message; nothing when the worker has ended."""
        try:
            return self._link.recv(MESSAGE_BYTES_MAX)
        except OSError:
            return b""

    def _replace(self) -> bool:
        """Start another one in place of one that ended; False when the server is stopping."""
        code = self._process.wait()
        if not self._stopping.is_set():
            logger.error("worker %d ended with code %d; another is started", self._place, code)
        stopping = self._stopping.wait(RESTART_AFTER_S)
        with self._changing:
            if stopping or self._stopping.is_set():
                return False
            self._link.close()
            self._spawn()
            self._hand_over()
        return True
