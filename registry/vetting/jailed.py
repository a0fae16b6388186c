"""Inside the jail: looks at the files that come in, one after the other, and answers.

    python -m registry.vetting.jailed DESCRIPTOR

How it is told and heard stands in `registry/jail/inside.py`. Its setup has the YARA rules; each
request comes with the file's own descriptor.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.formats.inspect import Inspection, inspect
from registry.formats.look import Budget, Effect, Note
from registry.formats.source import FileSource, Source, SourceError
from registry.jail.inside import begin, lock_in
from registry.ports.scanners import Scanner
from registry.vetting.scanners.allowed import is_allowed
from registry.vetting.scanners.files import as_file, scanned_role
from registry.vetting.scanners.opinions import opinion
from registry.vetting.scanners.roles import PERHAPS_PICKLED


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
    channel, setup = begin(arguments[0])
    try:
        scanners = scanners_for(setup["yara_rules"], pickles=setup["pickles"])
    except ValueError as error:
        channel.send({"unfit": str(error)})
        return
    channel.send({"open_layers": lock_in(setup)})
    files: Mapping[str, int] = {}
    while request := channel.receive():
        head, descriptors = request
        if not descriptors:
            raise ValueError("a request came without its file")
        if head["files"] is not None:
            files = head["files"]
        try:
            answer = _answer(
                head["role"], files, descriptors[0], scanners, pickles=setup["pickles"]
            )
        finally:
            os.close(descriptors[0])
        channel.send(answer)


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


if __name__ == "__main__":
    main(sys.argv[1:])
