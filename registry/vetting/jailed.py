"""Inside the jail: looks at the files that come in, one after the other, and answers.

    python -m registry.vetting.jailed DESCRIPTOR

The descriptor is one end of a socket pair. First comes a line of JSON with limits and YARA rules.
Then each request is such a line with the file's own descriptor beside it, each answer is another
line. Once locked in, the process says so; what it is sent before that it would not look at.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.recv_fds imports it when it is called, and nothing can be opened then
import dataclasses
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.formats.inspect import Inspection, inspect
from registry.formats.look import Budget, Effect, Note
from registry.formats.source import FileSource, Source, SourceError
from registry.ports.scanners import Scanner
from registry.vetting import lockdown
from registry.vetting.scanners.allowed import is_allowed
from registry.vetting.scanners.files import as_file, scanned_role
from registry.vetting.scanners.opinions import opinion
from registry.vetting.scanners.roles import PERHAPS_PICKLED

#: A request names the sizes of all files of a version.
REQUEST_BYTES_MAX = 64 * 1024 * 1024


class Neighbours(Mapping[str, int]):
    """Sizes of a version's files by path, which notes whether anybody asked."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self.was_asked = False

    def __getitem__(self, path: str) -> int:
        self.was_asked = True
        return self._sizes[path]

    def __iter__(self) -> Iterator[str]:
        self.was_asked = True
        return iter(self._sizes)

    def __len__(self) -> int:
        self.was_asked = True
        return len(self._sizes)


def main(arguments: list[str]) -> None:
    channel = socket.socket(fileno=int(arguments[0]))
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    # Nobody reads that before this process ends: what no longer fits is lost, not waited for.
    os.set_blocking(sys.stderr.fileno(), False)
    # For relative folders a scanner asks for the working folder, which is not to be had in here.
    sys.path[:] = [os.path.abspath(each) for each in sys.path]
    setup, _ = _receive(channel) or ({}, None)
    try:
        scanners = scanners_for(setup["yara_rules"], pickles=setup["pickles"])
    except ValueError as error:
        _send(channel, {"rules": str(error)})
        return
    open_layers = lock_in(setup)
    _send(channel, {"open_layers": open_layers})
    files: Mapping[str, int] = {}
    while request := _receive(channel):
        head, descriptor = request
        if descriptor is None:
            raise ValueError("a request came without its file")
        if head["files"] is not None:
            files = head["files"]
        try:
            answer = _answer(head["role"], files, descriptor, scanners, pickles=setup["pickles"])
        finally:
            os.close(descriptor)
        _send(channel, answer)


def scanners_for(yara_rules: Mapping[str, str], *, pickles: bool) -> Sequence[Scanner]:
    """Those that look at files in the jail, ready: nothing of them is opened later. ValueError for
    rules that do not compile."""
    scanners: list[Scanner] = []
    if pickles:
        # They take a quarter of a second to load.
        from registry.vetting.scanners.modelaudit import ModelAudit
        from registry.vetting.scanners.picklescan import Picklescan

        scanners += [Picklescan(), ModelAudit()]
    if yara_rules:
        # Where no rules are, its engine need not be loaded.
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
    role: str,
    neighbours: Mapping[str, int],
    descriptor: int,
    scanners: Sequence[Scanner],
    *,
    pickles: bool,
) -> Mapping[str, Any]:
    if role in PERHAPS_PICKLED and not pickles:
        raise ValueError("a file with pickles came in where no scanner of pickles is")
    source = FileSource(descriptor)
    files = Neighbours(neighbours)
    try:
        found = inspect(source, role, files, Budget())
    except SourceError as error:
        return {"unreadable": str(error)}
    scan(found, source, role, scanners)
    return {**as_json(found), "depends_on_files": files.was_asked}


def scan(found: Inspection, source: Source, role: str, scanners: Sequence[Scanner]) -> None:
    """Add the scanners' words to what was found.

    What fails by our own rules is not shown to them: they only make a verdict worse, and it is the
    bytes that we refuse which are made to trip whoever reads them.
    """
    if found.effect is Effect.FAIL:
        return
    role = scanned_role(source, role)
    for scanner in scanners:
        note = opinion(scanner, as_file(source), role, lambda name: is_allowed(role, name))
        if note is not None:
            found.book.add(note)


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


def _receive(channel: socket.socket) -> tuple[Mapping[str, Any], int | None] | None:
    """A line and the file that came with it; None when there are no more."""
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
    return json.loads(found), descriptors[0] if descriptors else None


def _send(channel: socket.socket, answer: Mapping[str, Any]) -> None:
    channel.sendall(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
