"""The jail from outside: a process that is started, told its setup, asked, and watched.

It is started by exec, with nothing of ours in its environment. What it says is taken for what it
is: the word of a process that reads hostile bytes. So an answer that is too long, no JSON, of
another form or late is the same as none, and the next question gets a fresh process.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, Self

from registry.names.text import visible

logger = logging.getLogger(__name__)

START_S = 30.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
#: Of its JSON, in all: as objects of Python they take up to thirty times the room of their text.
ANSWER_PARTS_MAX = 5_000_000
_STDERR_BYTES = 4000
_LAST_LINE_CHARS = 300


@dataclass(frozen=True, kw_only=True)
class Limits:
    memory_bytes: int = 1_500_000_000
    #: For each file: so long, and longer by its size.
    wall_s: float = 60.0
    bytes_per_s: float = 20e6
    #: Of one jail, all of its files together.
    cpu_s: int = 3600
    descriptors: int = 64
    #: How far it may write into a file that is handed to it open for that; 0: not at all.
    file_bytes: int = 0
    #: Go on where a layer of the jail cannot be had.
    bare: bool = False

    def patience_s(self, size_bytes: int) -> float:
        """How long an answer about so many bytes is waited for."""
        return self.wall_s + size_bytes / self.bytes_per_s


class JailError(Exception):
    """It gave no answer: it died, was too slow, or said something that is none."""


class NoJailError(Exception):
    """It cannot be closed on this machine; the text says which layer is missing."""


class SetupError(Exception):
    """It cannot use what it was told at its start; the text says what of it, in its own words."""


class Process:
    """`python -m MODULE DESCRIPTOR`, one question at a time. `setup` is told before it is locked
    in, beside the limits: see `registry/jail/inside.py`."""

    def __init__(self, module: str, limits: Limits, setup: Mapping[str, Any]) -> None:
        self._module = module
        self._limits = limits
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int | None:
        """Of the process that would answer next; None before the first and where one has died."""
        return self._process.pid if self._process else None

    def ask(
        self, request: Mapping[str, Any], descriptors: Sequence[int], patience_s: float
    ) -> Mapping[str, Any]:
        """Its answer, with open files sent along. JailError where there is none; the next question
        gets a new process then. NoJailError, SetupError: as `start`, which is done where needed."""
        self.start()
        line = json.dumps(request).encode() + b"\n"
        try:
            # Without a file this is a plain send.
            sent = socket.send_fds(self._channel, [line], list(descriptors))
            self._channel.settimeout(patience_s)
            self._channel.sendall(line[sent:])
            return self._hear(patience_s)
        except OSError as error:
            raise self._dead(f"it cannot be asked: {error}") from error

    def end(self) -> None:
        """Kill it. Repeats safely."""
        if self._process is not None:
            process, self._process = self._process, None
            self._channel.close()
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()

    def start(self) -> None:
        """Have it ready, locked in. Repeats safely. NoJailError where there is no jail, SetupError
        where its setup is of no use."""
        if self._process is not None:
            return
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,
            )
        self._heard = bytearray()
        try:
            self._send_setup()
            said = self._hear(START_S)
        except JailError as error:
            raise NoJailError(str(error)) from error
        if "unfit" in said:
            self.end()
            raise SetupError(str(said["unfit"]))
        for reason in said["open_layers"].values():
            logger.warning("files are looked at without one layer of the jail: %s", reason)

    def _send_setup(self) -> None:
        """Not as arguments of the command, whose length is bounded."""
        setup = {
            "memory_bytes": self._limits.memory_bytes,
            "cpu_s": self._limits.cpu_s,
            "descriptors": self._limits.descriptors,
            "file_bytes": self._limits.file_bytes,
            "bare": self._limits.bare,
            **self._setup,
        }
        try:
            self._channel.settimeout(START_S)
            self._channel.sendall(json.dumps(setup).encode() + b"\n")
        except OSError as error:
            raise self._dead(f"it cannot be told its limits: {error}") from error

    def _hear(self, patience_s: float) -> Mapping[str, Any]:
        until = time.monotonic() + patience_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            end = self._heard.find(b"\n")
            while end < 0:
                if len(self._heard) > ANSWER_BYTES_MAX:
                    raise self._dead(f"its answer has more than {ANSWER_BYTES_MAX} bytes")
                left_s = until - time.monotonic()
                # Also where there is always something to read: one that sends a byte now and then
                # would keep whoever waits for the line's end for as long as it likes.
                if left_s <= 0 or not selector.select(left_s):
                    raise self._dead(f"it gave no answer within {patience_s:.0f} s")
                found = self._channel.recv(1 << 20)
                if not found:
                    raise self._dead("it ended")
                at = found.find(b"\n")
                end = at if at < 0 else len(self._heard) + at
                self._heard += found
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        try:
            return _read(line)
        except (ValueError, RecursionError) as error:
            raise self._dead("its answer is no JSON, or too much of it") from error

    def _dead(self, reason: str) -> JailError:
        process = self._process
        assert process is not None
        self._process = None
        self._channel.close()
        process.kill()
        _, said = process.communicate()
        code = process.returncode
        told = said[-_STDERR_BYTES:].decode(errors="replace").strip().rpartition("\n")[2]
        last = visible(told[:_LAST_LINE_CHARS])
        logger.warning("a jail failed: %s; exit status %s; %s", reason, code, ascii(last))
        return JailError(f"{reason}; {last}" if last else reason)


def _read(line: bytes) -> Mapping[str, Any]:
    """An answer. ValueError or RecursionError for one that is none, before it takes more memory
    than its text is worth."""
    if line.count(b",") + line.count(b"[") + line.count(b"{") > ANSWER_PARTS_MAX:
        raise ValueError(f"it has more than {ANSWER_PARTS_MAX} parts")
    answer: Mapping[str, Any] = json.loads(line.decode("ascii"), parse_constant=_refuse)
    return answer


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
