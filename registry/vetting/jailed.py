"""Inside the jail: looks at the files that come in, one after the other, and answers.

    python -m registry.vetting.jailed DESCRIPTOR LIMITS

The descriptor is one end of a socket pair. Each request is a line of JSON with the file's own
descriptor beside it, each answer is another line. Once locked in, the process says so; what it is
sent before that it would not look at.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.recv_fds imports it when it is called, and nothing can be opened then
import dataclasses
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from registry.formats.inspect import Inspection, inspect
from registry.formats.look import Budget, Note
from registry.formats.source import FileSource, SourceError
from registry.vetting import lockdown

#: A request names the sizes of all files of a version.
REQUEST_BYTES_MAX = 64 * 1024 * 1024


def main(arguments: list[str]) -> None:
    channel = socket.socket(fileno=int(arguments[0]))
    limits: Mapping[str, Any] = json.loads(arguments[1])
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    open_layers = lock_in(limits)
    _send(channel, {"open_layers": open_layers})
    while request := _receive(channel):
        head, descriptor = request
        try:
            answer = _answer(head, descriptor)
        finally:
            os.close(descriptor)
        _send(channel, answer)


def lock_in(limits: Mapping[str, Any]) -> Mapping[str, str]:
    """All layers. Those that this machine does not have, and why, where `bare` allows that;
    LockdownError otherwise."""
    lockdown.limit(
        memory_bytes=limits["memory_bytes"],
        cpu_s=limits["cpu_s"],
        descriptors=limits["descriptors"],
    )
    missing = {}
    for close in (lockdown.close_files, lockdown.close_calls):
        try:
            close()
        except lockdown.LockdownError as error:
            if not limits["bare"]:
                raise
            missing[error.layer] = str(error)
    return missing


def _answer(head: Mapping[str, Any], descriptor: int) -> Mapping[str, Any]:
    try:
        found = inspect(FileSource(descriptor), head["role"], head["files"], Budget())
    except SourceError as error:
        return {"unreadable": str(error)}
    return as_json(found)


def as_json(found: Inspection) -> Mapping[str, Any]:
    return {
        "format": found.format,
        "sha256": found.sha256,
        "size_bytes": found.size_bytes,
        "effect": found.effect.value,
        "notes": [_note(note) for note in found.book.notes],
        "more": sum(found.book.more.values()),
        "facts": found.book.facts,
    }


def _note(note: Note) -> Mapping[str, Any]:
    said = dataclasses.asdict(note)
    return {**said, "rule": note.rule.id, "fix": note.rule.fix, "effect": note.effect.value}


def _receive(channel: socket.socket) -> tuple[Mapping[str, Any], int] | None:
    """A request and the file it is about; None when there are no more."""
    line, descriptors, _, _ = socket.recv_fds(channel, 65536, 1)
    if not line:
        return None
    found = bytearray(line)
    while not found.endswith(b"\n"):
        if len(found) > REQUEST_BYTES_MAX:
            raise ValueError("the request is too long")
        more = channel.recv(1 << 20)
        if not more:
            raise EOFError("the request ends within a line")
        found += more
    return json.loads(found), descriptors[0]


def _send(channel: socket.socket, answer: Mapping[str, Any]) -> None:
    channel.sendall(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
