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
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from registry import cores
from registry.app.process import GRACE_S
from registry.errors import StartError

if TYPE_CHECKING:
    # Workers read this module too, and need not hold in memory what the first process does alone.
    from registry.app.registry import Registry

logger = logging.getLogger(__name__)

READY = b"ready"
VET = b"vet"
STOP = b"stop"
MESSAGE_BYTES_MAX = 4096
START_WAIT_S = 30.0
#: One that ends is replaced after a while, which doubles as long as none gets ready.
RESTART_AFTER_S = 1.0
RESTART_AFTER_S_MAX = 60.0
_LOOK_EVERY_S = 0.02
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
        """`environment` has the settings. StartError where one cannot be started."""
        self._workers = [_Worker(number + 1, environment) for number in range(count)]

    def start(self, registry: Registry) -> None:
        """Let them answer, as soon as they are loaded."""
        for worker in self._workers:
            worker.start(registry)

    def wait_until_ready(self, stop_asked: int) -> None:
        """Return when all of them answer, or something can be read from the file `stop_asked`, or
        one does not come up."""
        until_s = time.monotonic() + START_WAIT_S
        while late := [worker.place for worker in self._workers if not worker.is_ready]:
            if select.select([stop_asked], [], [], _LOOK_EVERY_S)[0]:
                return
            if time.monotonic() > until_s:
                logger.warning("worker %s not ready yet; the others answer", late)
                return

    def ask_to_stop(self) -> None:
        """Let them end what is in progress, within the grace, and close. Who does not is killed, so
        that nobody waits for it, as for its turn to write."""
        for worker in self._workers:
            worker.ask_to_stop()

    def wait(self) -> None:
        """Return when all have ended."""
        for worker in self._workers:
            worker.wait()


class _Worker:
    def __init__(self, place: int, environment: Mapping[str, str]) -> None:
        self.place = place
        self._environment = dict(environment)
        self._stopping = threading.Event()
        self.is_ready = False
        self._restart_after_s = RESTART_AFTER_S
        self._changing = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._spawn()

    def _spawn(self) -> None:
        try:
            self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = self._popen(theirs.fileno())
        except OSError as error:
            raise StartError(
                what=f"Worker {self.place}",
                found=f"it cannot be started: {error.strerror}",
                fix="Allow the server more processes and open files, or set HALLMARK_PROCESSES "
                "lower.",
            ) from error

    def _popen(self, link: int) -> subprocess.Popen[bytes]:
        # Not where a folder named `registry` may lie that is not ours (-P). In a session of its
        # own, so that Ctrl-C in a terminal reaches the first process alone.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "registry.app.worker", str(link)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environment,
            pass_fds=[link],
            start_new_session=True,
        )

    def start(self, registry: Registry) -> None:
        self._registry = registry
        self._hand_over()
        self._begin(self._watch)

    def ask_to_stop(self) -> None:
        with self._changing:
            self._stopping.set()
            # It may have ended, or be ending, by itself.
            with contextlib.suppress(OSError):
                self._link.send(STOP)
        self._begin(self._see_end)

    def wait(self) -> None:
        if not self._threads:
            # It was not told what it is for, and has nothing to end.
            self._link.close()
            self._see_end()
        for thread in self._threads:
            thread.join()

    def _begin(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name=f"worker-{self.place}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _see_end(self) -> None:
        try:
            self._process.wait(GRACE_S + RESTART_AFTER_S)
        except subprocess.TimeoutExpired:
            logger.error("worker %d did not stop within its grace and is killed", self.place)
            self._process.kill()
            self._process.wait()

    def _hand_over(self) -> None:
        registry = self._registry
        handover = Handover(
            place=self.place,
            core=cores.beside(self.place),
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
                self.is_ready = True
                self._restart_after_s = RESTART_AFTER_S
            elif said == VET:
                time.sleep(_GATHER_S)
                self._registry.board.heed(self.place)
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
            logger.error("worker %d ended with code %d; another is started", self.place, code)
        while not self._stopping.wait(self._restart_after_s):
            self._restart_after_s = min(2 * self._restart_after_s, RESTART_AFTER_S_MAX)
            with self._changing:
                if self._stopping.is_set():
                    break
                self._link.close()
                try:
                    self._spawn()
                except StartError as error:
                    logger.error("%s", error)
                    continue
                self._hand_over()
                return True
        return False
