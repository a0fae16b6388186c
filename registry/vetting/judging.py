"""Judges the files of a version, one after the other, each by what the jail says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from registry.domain.file_formats import role_of
from registry.domain.versions import Finding, Verdict
from registry.formats.look import Effect
from registry.ports.scanners import Scanner
from registry.vetting.jail import Jail, JailError, Limits
from registry.vetting.scanners.clamav import ClamAV
from registry.vetting.scanners.opinions import opinion
from registry.vetting.tools import Tools
from registry.vetting.vouching import EXTERNAL_DATA, beside, is_uncovered

#: Rules of the jail itself, beside those of the parsers.
JAIL_RULES = {
    "JAIL-1": "The process that looks at a file comes to an end with it, within its limits.",
    "JAIL-2": "The file's bytes can be read.",
}
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
    #: Whether all this is said of these bytes beside these other files only.
    depends_on_files: bool = True


def judge(
    sizes: Mapping[str, int], open_file: Callable[[str], int], limits: Limits, tools: Tools
) -> Iterator[JudgedFile]:
    """Each file of a version by path, in the order of `sizes`, as it is judged beside the others.
    Raises as `look_at`."""
    yield from _vouched(list(look_at(sizes, sizes, open_file, limits, tools)))


def look_at(
    paths: Iterable[str],
    sizes: Mapping[str, int],
    open_file: Callable[[str], int],
    limits: Limits,
    tools: Tools,
) -> Generator[JudgedFile, None, None]:
    """Each of these files of a version by itself, one after the other as they are asked for, all in
    one jail. `sizes` are those of all its files. `open_file` gives a descriptor open for reading,
    which is closed here, or raises OSError.

    NoJailError where there is no jail. Whatever else happens in there is a verdict.
    """
    clamav = ClamAV(tools.clamav_socket) if tools.clamav_socket else None
    with Jail(replace(limits, yara_rules=tools.yara_rules)) as jail:
        for path in paths:
            yield _judge_one(jail, clamav, path, sizes, open_file)


def verdict_of(files: Iterable[JudgedFile]) -> Verdict:
    """Of the version: it passes where each file does."""
    verdicts = {file.verdict for file in files}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts <= {Verdict.PASS} else Verdict.UNKNOWN


def _judge_one(
    jail: Jail,
    scanner: Scanner | None,
    path: str,
    sizes: Mapping[str, int],
    open_file: Callable[[str], int],
) -> JudgedFile:
    try:
        descriptor = open_file(path)
    except OSError as error:
        return _unknown(path, sizes[path], "JAIL-2", f"it cannot be opened: {error.strerror}")
    try:
        said = jail.look(descriptor, role=role_of(path), files=sizes)
        judged = heard(path, sizes[path], said)
        return judged if scanner is None else _scanned(scanner, descriptor, judged)
    except JailError as error:
        return _unknown(path, sizes[path], "JAIL-1", str(error))
    except (KeyError, TypeError, ValueError) as error:
        # The jail's word is that of a process that has read hostile bytes.
        return _unknown(path, sizes[path], "JAIL-1", f"its answer has another form: {error!r:.80}")
    finally:
        os.close(descriptor)


def _scanned(scanner: Scanner, descriptor: int, judged: JudgedFile) -> JudgedFile:
    """With the opinion of a scanner that cannot be asked from within the jail. It reads the bytes
    and passes them on; what they are nobody out here looks at."""
    if judged.verdict is Verdict.FAIL:
        return judged
    with os.fdopen(os.dup(descriptor), "rb") as file:
        note = opinion(scanner, file, role_of(judged.path), lambda _: False)
    if note is None:
        return judged
    said = {**asdict(note), "rule": note.rule.id, "fix": note.rule.fix, "effect": note.effect.value}
    worse = {Effect.FAIL: Verdict.FAIL, Effect.UNKNOWN: Verdict.UNKNOWN}
    return replace(
        judged,
        verdict=worse.get(note.effect, judged.verdict),
        findings=(*judged.findings, _finding(judged.path, said)),
    )


def heard(path: str, size_bytes: int, said: Mapping[str, Any]) -> JudgedFile:
    """A file by the jail's word on it. KeyError, TypeError or ValueError where that is none."""
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
        depends_on_files=bool(said["depends_on_files"]),
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


def vouched_for(file: JudgedFile) -> tuple[str, ...]:
    """The files of which a model has told where its tensors lie in them, by their way from its
    folder; none where it does not pass itself."""
    if file.verdict is not Verdict.PASS:
        return ()
    return tuple(sorted({str(data["location"]) for data in file.facts.get("external_data", ())}))


def _vouched(judged: list[JudgedFile]) -> Iterator[JudgedFile]:
    referred = {path for file in judged for path in beside(file.path, vouched_for(file))}
    for file in judged:
        if file.path in referred and is_uncovered(file.verdict, file.findings):
            yield replace(file, verdict=Verdict.PASS, format=EXTERNAL_DATA, findings=())
        else:
            yield file
