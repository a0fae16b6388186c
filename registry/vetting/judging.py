"""Judges the files of a version, one after the other, each by what the jail says of it, and by
what ClamAV does, whose socket cannot be reached from there."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from registry.domain.file_formats import role_of
from registry.domain.inspections import beside
from registry.domain.versions import Finding, Verdict
from registry.formats.look import Effect, Note
from registry.jail.hearing import line_of
from registry.jail.process import JailError, Limits
from registry.vetting import hearing
from registry.vetting.jail import Jail
from registry.vetting.scanners.clamav import ClamAV
from registry.vetting.scanners.opinions import opinion
from registry.vetting.scanners.roles import PERHAPS_PICKLED
from registry.vetting.tools import Tools
from registry.vetting.vouching import EXTERNAL_DATA, is_uncovered

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
    #: Whether the parser looked at the other files of the version, or nobody knows: then the same
    #: bytes in another version may be judged otherwise.
    depends_on_files: bool


def to_document(file: JudgedFile) -> dict[str, Any]:
    """As JSON. Law: `from_document(to_document(file)) == file`, also after JSON's own way."""
    return {
        "path": file.path,
        "verdict": file.verdict.value,
        "format": file.format,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "findings": [asdict(finding) for finding in file.findings],
        "facts": dict(file.facts),
        "depends_on_files": file.depends_on_files,
    }


def from_document(document: Mapping[str, Any]) -> JudgedFile:
    """What `to_document` wrote. KeyError, TypeError or ValueError for another form."""
    return JudgedFile(
        **{
            **document,
            "verdict": Verdict(document["verdict"]),
            "findings": tuple(Finding(**each) for each in document["findings"]),
        }
    )


def judge(
    sizes: Mapping[str, int], open_file: Callable[[str], int], limits: Limits, tools: Tools
) -> Iterator[JudgedFile]:
    """Each file of a version by path, in the order of `sizes`, all of them at the end.

    As `inspect_files`, with what the files say of each other.
    """
    yield from vouched(list(inspect_files(sizes, open_file, limits, tools)))


def inspect_files(
    sizes: Mapping[str, int],
    open_file: Callable[[str], int],
    limits: Limits,
    tools: Tools,
    *,
    paths: Iterable[str] | None = None,
) -> Generator[JudgedFile, None, None]:
    """Each file of a version, or those of `paths` alone, one at a time as they are done and before
    they are `vouched`. `sizes` are those of all files. `open_file` gives a descriptor open for
    reading, which is closed here, or raises OSError.

    NoJailError where there is no jail. Whatever else happens in there is a verdict. The jail lives
    as long as the iterator: close it where you stop before its end.
    """
    clamav = _clamav(limits, tools)
    wanted = list(sizes if paths is None else paths)
    pickles = any(role_of(path) in PERHAPS_PICKLED for path in wanted)
    with Jail(limits, tools.yara_rules, pickles=pickles) as jail:
        for path in wanted:
            yield _judge_one(jail, clamav, path, sizes, open_file)


def vouched(files: Sequence[JudgedFile]) -> list[JudgedFile]:
    """All files of a version, with what they say of each other. It follows from its argument alone.

    Files that are nothing but tensors of an ONNX model beside them, which has said where each of
    them lies and found it within the file: no parser covers those, and none needs to.
    """
    referred = {path for file in files for path in beside(file.path, vouched_for(file))}
    return [
        replace(file, verdict=Verdict.PASS, format=EXTERNAL_DATA, findings=())
        if file.path in referred and is_uncovered(file.verdict, file.findings)
        else file
        for file in files
    ]


def vouched_for(file: JudgedFile) -> tuple[str, ...]:
    """The files of which a model has told where its tensors lie in them, by their way from its
    folder; none where it does not pass itself."""
    if file.verdict is not Verdict.PASS:
        return ()
    return tuple(sorted({str(data["location"]) for data in file.facts.get("external_data", ())}))


def verdict_of(files: Iterable[JudgedFile]) -> Verdict:
    """Of the version: it passes where each file does."""
    verdicts = {file.verdict for file in files}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts <= {Verdict.PASS} else Verdict.UNKNOWN


def _clamav(limits: Limits, tools: Tools) -> ClamAV | None:
    """With the patience that the jail is waited for."""
    if not tools.clamav_socket:
        return None
    return ClamAV(tools.clamav_socket, timeout_s=limits.wall_s, bytes_per_s=limits.bytes_per_s)


def _judge_one(
    jail: Jail,
    clamav: ClamAV | None,
    path: str,
    sizes: Mapping[str, int],
    open_file: Callable[[str], int],
) -> JudgedFile:
    try:
        descriptor = open_file(path)
    except OSError as error:
        return _unknown(path, sizes[path], "JAIL-2", f"it cannot be opened: {error.strerror}")
    try:
        judged = _ask_jail(jail, descriptor, path, sizes)
        # What fails needs no second opinion, which could only make it worse.
        if clamav is not None and judged.verdict is not Verdict.FAIL:
            judged = _with_opinion(judged, clamav, descriptor)
        return judged
    finally:
        os.close(descriptor)


def _ask_jail(jail: Jail, descriptor: int, path: str, sizes: Mapping[str, int]) -> JudgedFile:
    try:
        said = jail.look(descriptor, role=role_of(path), files=sizes)
        return heard(path, sizes[path], said)
    except JailError as error:
        return _unknown(path, sizes[path], "JAIL-1", str(error))
    except (KeyError, TypeError, ValueError) as error:
        # The jail's word is that of a process that has read hostile bytes.
        message = f"its answer has another form: {error!r:.120}"
        return _unknown(path, sizes[path], "JAIL-1", line_of(message))


def _with_opinion(judged: JudgedFile, clamav: ClamAV, descriptor: int) -> JudgedFile:
    """What clamd says of the bytes themselves, over the descriptor that the jail has read."""
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        # It knows names of malware and none of globals, so there is nothing to allow.
        note = opinion(clamav, file, role_of(judged.path), lambda _: False)
    if note is None:
        return judged
    finding = _finding_of(judged.path, note)
    verdict = Verdict.FAIL if finding.fails else Verdict.UNKNOWN
    return replace(judged, verdict=verdict, findings=(*judged.findings, finding))


def heard(path: str, size_bytes: int, said: Mapping[str, Any]) -> JudgedFile:
    """A file by the jail's word on it. KeyError, TypeError or ValueError where that is none."""
    if "unreadable" in said:
        return _unknown(path, size_bytes, "JAIL-2", line_of(said["unreadable"]))
    if said["size_bytes"] != size_bytes:
        message = (
            f"found {said['size_bytes']!r:.40} bytes, expected {size_bytes}: it changed meanwhile"
        )
        return _unknown(path, size_bytes, "JAIL-2", message)
    effect = Effect(said["effect"])
    passes = effect is Effect.ADVICE and said["format"]
    unclear = Verdict.FAIL if effect is Effect.FAIL else Verdict.UNKNOWN
    return JudgedFile(
        path=path,
        verdict=Verdict.PASS if passes else unclear,
        format=hearing.format_of(said["format"]),
        sha256=hearing.sha256_of(said["sha256"]),
        size_bytes=size_bytes,
        findings=hearing.findings_of(path, said["notes"]),
        facts=hearing.facts_of(said["facts"]),
        # Anything but a plain no is a yes: the one that costs a reuse, not a wrong verdict.
        depends_on_files=said["depends_on_files"] is not False,
    )


def _finding_of(path: str, note: Note) -> Finding:
    return Finding(
        rule=note.rule.id,
        message=note.message,
        path=path,
        fix=note.rule.fix,
        fails=note.effect is Effect.FAIL,
        doubts=note.effect is Effect.UNKNOWN,
    )


def _unknown(path: str, size_bytes: int, rule: str, message: str) -> JudgedFile:
    finding = Finding(rule=rule, message=message, path=path, fix=_SMALLER, fails=False, doubts=True)
    return JudgedFile(
        path=path,
        verdict=Verdict.UNKNOWN,
        size_bytes=size_bytes,
        findings=(finding,),
        depends_on_files=True,
    )
