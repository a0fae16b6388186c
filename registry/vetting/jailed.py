"""Inside the jail: looks at the files that come in, one after the other, and answers.

    python -m registry.vetting.jailed DESCRIPTOR

The descriptor is one end of a socket pair. The first line of JSON that comes in has the limits, and
rules of YARA. Once locked in, the process says so. From then on each request is a line with the
file's own descriptor beside it, and each answer is another line.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.recv_fds imports it when it is called, and nothing can be opened then
import dataclasses
import json
import logging
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry.formats.inspect import Inspection, inspect
from registry.formats.look import Budget, Effect, Note
from registry.formats.source import FileSource, Source, SourceError
from registry.ports.scanners import Scanner
from registry.vetting import lockdown
from registry.vetting.noted_files import NotedFiles
from registry.vetting.scanners.files import as_file
from registry.vetting.scanners.modelaudit import ModelAudit
from registry.vetting.scanners.opinions import opinion
from registry.vetting.scanners.picklescan import Picklescan

#: A request names the sizes of all files of a version.
REQUEST_BYTES_MAX = 64 * 1024 * 1024


def main(arguments: list[str]) -> None:
    channel = socket.socket(fileno=int(arguments[0]))
    limits: Mapping[str, Any] = json.loads(_line(channel, b""))
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    scanners = build_scanners(limits["yara_rules"])
    open_layers = lock_in(limits)
    _send(channel, {"open_layers": open_layers})
    while request := _receive(channel):
        head, descriptor = request
        try:
            answer = _answer(head, descriptor, scanners)
        finally:
            os.close(descriptor)
        _send(channel, answer)


def build_scanners(yara_rules: Mapping[str, str]) -> Sequence[Scanner]:
    """Those that work in here. ValueError for rules that do not compile."""
    scanners: list[Scanner] = [Picklescan(), ModelAudit()]
    if yara_rules:
        # It takes 20 MB and time to load.
        from registry.vetting.scanners.yara import Yara

        scanners.append(Yara(yara_rules))
    return scanners


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


def _answer(
    head: Mapping[str, Any], descriptor: int, scanners: Sequence[Scanner]
) -> Mapping[str, Any]:
    files = NotedFiles(head["files"])
    source = FileSource(descriptor)
    try:
        found = inspect(source, head["role"], files, Budget())
        ask_scanners(scanners, source, head["role"], found)
    except SourceError as error:
        return {"unreadable": str(error)}
    return as_json(found, files)


def ask_scanners(scanners: Iterable[Scanner], source: Source, role: str, found: Inspection) -> None:
    """Note their opinions. Not of a file that fails already: they could not make it worse."""
    if found.effect is Effect.FAIL:
        return
    # Had one of these names not stood on our own lists, the file would not be sound.
    allowed = frozenset(found.book.facts.get("globals", ())) if found.book.is_sound else frozenset()
    for scanner in scanners:
        note = opinion(scanner, as_file(source), role, allowed.__contains__)
        if note is not None:
            found.book.add(note)


def as_json(found: Inspection, files: NotedFiles) -> Mapping[str, Any]:
    return {
        "depends_on_files": files.were_asked,
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
    return json.loads(_line(channel, line)), descriptors[0]


def _line(channel: socket.socket, start: bytes) -> bytes:
    """The line that begins so."""
    found = bytearray(start)
    while not found.endswith(b"\n"):
        if len(found) > REQUEST_BYTES_MAX:
            raise ValueError("the request is too long")
        more = channel.recv(1 << 20)
        if not more:
            raise EOFError("the request ends within a line")
        found += more
    return bytes(found)


def _send(channel: socket.socket, answer: Mapping[str, Any]) -> None:
    channel.sendall(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
