"""Judges the files of a version, one after the other, each by what the jail says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from registry.domain.file_formats import role_of
from registry.domain.versions import Finding, Verdict
from registry.formats.inspect import COVERED
from registry.formats.look import Effect
from registry.vetting.jail import Jail, JailError, Limits

#: Rules of the jail itself, beside those of the parsers.
JAIL_RULES = {
    "JAIL-1": "The process that looks at a file comes to an end with it, within its limits.",
    "JAIL-2": "The file's bytes can be read.",
}
#: Bytes without a format of their own, which a model of the same version refers to piece by piece.
EXTERNAL_DATA = "onnx-external-data"
_SMALLER = "Push a smaller file, or one in a simpler format; if it is sound, tell the operator."


@dataclass(frozen=True, kw_only=True)
class JudgedFile:
    path: str
    verdict: Verdict
    #: What a parser proved it to be; empty where none did.
    format: str = ""
    #: Empty where its bytes could not be read to the end.
    sha256: str = ""
    size_bytes: int
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def judge(
    sizes: Mapping[str, int], open_file: Callable[[str], int], limits: Limits
) -> Iterator[JudgedFile]:
    """Each file of a version by path, in the order of `sizes`. `open_file` gives a descriptor open
    for reading, which is closed here, or raises OSError.

    NoJailError where there is no jail. Whatever else happens in there is a verdict.
    """
    with Jail(limits) as jail:
        judged = [_judge_one(jail, path, sizes, open_file) for path in sizes]
    yield from _vouched(judged)


def verdict_of(files: Iterable[JudgedFile]) -> Verdict:
    """Of the version: it passes where each file does."""
    verdicts = {file.verdict for file in files}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts <= {Verdict.PASS} else Verdict.UNKNOWN


def _judge_one(
    jail: Jail, path: str, sizes: Mapping[str, int], open_file: Callable[[str], int]
) -> JudgedFile:
    try:
        descriptor = open_file(path)
    except OSError as error:
        return _unknown(path, sizes[path], "JAIL-2", f"it cannot be opened: {error.strerror}")
    try:
        said = jail.look(descriptor, role=role_of(path), files=sizes)
        return _heard(path, sizes[path], said)
    except JailError as error:
        return _unknown(path, sizes[path], "JAIL-1", str(error))
    except (KeyError, TypeError, ValueError) as error:
        # The jail's word is that of a process that has read hostile bytes.
        return _unknown(path, sizes[path], "JAIL-1", f"its answer has another form: {error!r:.80}")
    finally:
        os.close(descriptor)


def _heard(path: str, size_bytes: int, said: Mapping[str, Any]) -> JudgedFile:
    if "unreadable" in said:
        return _unknown(path, size_bytes, "JAIL-2", str(said["unreadable"]))
    if said["size_bytes"] != size_bytes:
        message = f"found {said['size_bytes']} bytes, expected {size_bytes}: it changed meanwhile"
        return _unknown(path, size_bytes, "JAIL-2", message)
    effect = Effect(said["effect"])
    passes = effect is Effect.ADVICE and said["format"]
    unclear = Verdict.FAIL if effect is Effect.FAIL else Verdict.UNKNOWN
    return JudgedFile(
        path=path,
        verdict=Verdict.PASS if passes else unclear,
        format=str(said["format"]),
        sha256=str(said["sha256"]),
        size_bytes=size_bytes,
        findings=tuple(_finding(path, note) for note in said["notes"]),
        facts=dict(said["facts"]),
    )


def _finding(path: str, note: Mapping[str, Any]) -> Finding:
    effect = Effect(note["effect"])
    return Finding(
        rule=str(note["rule"]),
        message=str(note["message"]),
        path=path,
        fix=str(note["fix"]),
        fails=effect is Effect.FAIL,
        doubts=effect is Effect.UNKNOWN,
        member=str(note["member"]),
        offset=None if note["offset"] is None else int(note["offset"]),
    )


def _unknown(path: str, size_bytes: int, rule: str, message: str) -> JudgedFile:
    finding = Finding(rule=rule, message=message, path=path, fix=_SMALLER, fails=False, doubts=True)
    return JudgedFile(
        path=path, verdict=Verdict.UNKNOWN, size_bytes=size_bytes, findings=(finding,)
    )


def _vouched(judged: list[JudgedFile]) -> Iterator[JudgedFile]:
    """Files that are nothing but tensors of an ONNX model beside them, which has said where each of
    them lies and found it within the file: no parser covers those, and none needs to."""
    referred = {
        _beside(file.path, data["location"])
        for file in judged
        if file.verdict is Verdict.PASS
        for data in file.facts.get("external_data", ())
    }
    for file in judged:
        rules = {finding.rule for finding in file.findings}
        if file.path in referred and file.verdict is Verdict.UNKNOWN and rules == {COVERED.id}:
            yield replace(file, verdict=Verdict.PASS, format=EXTERNAL_DATA, findings=())
        else:
            yield file


def _beside(path: str, location: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{location}"
