"""What every process in the jail does: it is told its setup, locks itself in, hears and answers.

The descriptor that it is started with is one end of a socket pair. First comes a line of JSON with
limits and what else it needs to know. Then each request is such a line, with open files beside it
where it is about some; each answer is another line. Once locked in, the process says so; what it is
sent before that it would not look at.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.recv_fds imports it when it is called, and nothing can be opened then
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry.jail import lockdown

#: A request may name the sizes of all files of a version.
REQUEST_BYTES_MAX = 64 * 1024 * 1024


class Channel:
    """To whoever started this process."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def receive(self) -> tuple[Mapping[str, Any], list[int]] | None:
        """A line and the files that came with it, at most one; None when there are no more."""
        line, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 1)
        if not line:
            return None
        found = bytearray(line)
        while not found.endswith(b"\n"):
            if len(found) > REQUEST_BYTES_MAX:
                raise ValueError("the request is too long")
            more = self._socket.recv(1 << 20)
            if not more:
                raise EOFError("the request ends within a line")
            found += more
        return json.loads(found), descriptors

    def send(self, answer: Mapping[str, Any]) -> None:
        self._socket.sendall(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


def begin(descriptor: str) -> tuple[Channel, Mapping[str, Any]]:
    """What comes before the lock: the channel, and the setup that was told over it."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    # Nobody reads that before this process ends: what no longer fits is lost, not waited for.
    os.set_blocking(sys.stderr.fileno(), False)
    # For relative folders libraries ask for the working folder, which is not to be had in here.
    sys.path[:] = [os.path.abspath(each) for each in sys.path]
    channel = Channel(int(descriptor))
    setup, _ = channel.receive() or ({}, [])
    return channel, setup


def lock_in(limits: Mapping[str, Any], folders: Sequence[str] = ()) -> Mapping[str, str]:
    """All layers; files below `folders` can be read. Those layers that this machine does not have,
    and why, where `bare` allows that; LockdownError otherwise."""
    lockdown.limit(
        memory_bytes=limits["memory_bytes"],
        cpu_s=limits["cpu_s"],
        descriptors=limits["descriptors"],
        file_bytes=limits["file_bytes"],
    )
    missing = {}
    layers: tuple[Callable[[], None], ...] = (
        lambda: lockdown.close_files(folders),
        lambda: lockdown.close_calls(opening=bool(folders)),
    )
    for close in layers:
        try:
            close()
        except lockdown.LockdownError as error:
            if not limits["bare"]:
                raise
            missing[error.layer] = str(error)
    return missing
