"""File paths within a version: safe on every file system that a version may be pulled to.

Every entrance (push, doors, bridges, archives) checks its paths here and nowhere else. Unlike
names, paths may hold any letter, as long as a reader sees what a program reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from registry.errors import FieldViolation, InvalidFieldError, InvalidRequestError
from registry.names.text import codepoint, invalid, is_device_name, is_visible, show

PATH_BYTES_MAX = 1024
SEGMENT_BYTES_MAX = 255
#: Problems that one error spells out. More of them would not fit into a gRPC trailer.
PROBLEMS_SHOWN_MAX = 16

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?<>|"]')
#: Most paths, known at a glance to be safe if they are short: letters and digits, '_', '-', dots
#: within, and no segment that Windows takes for a device. What is not one of these may be safe too.
#: Nothing possessive: Python 3.11.2, which Debian 12 has, forgets assertions within such a group.
_SEGMENT = (
    r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[./]|\Z))"
    r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?<!\.)"
)
_PLAIN = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_SHORT_GIT = re.compile(r"git~[0-9]+")


def safe_path(path: str, *, field: str = "path") -> str:
    """The path, if it may name a file of a version; else InvalidFieldError.

    Relative, POSIX, 1-1024 bytes of UTF-8 in normal form NFC, segments of 1-255 bytes. Refused
    are: `.` and `..`, empty segments, blanks at either end of a segment and dots at its end,
    backslashes and what else Windows forbids, Windows' devices, characters that cannot be seen
    (controls, formats such as bidi overrides, unassigned and private ones, surrogates, odd
    blanks), characters that compatibility normalisation turns into a forbidden one, and Git's own
    files, since the usual signing tools leave these out of what they sign.
    """
    if len(path) <= SEGMENT_BYTES_MAX and _PLAIN.fullmatch(path):
        return path
    _check_length(path, field)
    _check_characters(path, field)
    if not path.isascii() and not unicodedata.is_normalized("NFC", path):
        raise invalid(
            field,
            f"{show(path)}, which is not in Unicode normal form NFC ({_first_change(path)})",
            "a path in NFC",
            "Rename the file; file names from macOS often are in NFD.",
        )
    size_bytes = len(path.encode())
    if size_bytes > PATH_BYTES_MAX:
        found = f"{size_bytes} bytes, {show(path)}"
        raise invalid(field, found, f"at most {PATH_BYTES_MAX} bytes of UTF-8", "Shorten it.")
    for segment in path.split("/"):
        _check_segment(segment, path, field)
    return path


def check_paths(paths: Iterable[str], *, field: str = "files") -> None:
    """Raise unless all paths, each safe by itself, can lie in one folder on any file system.

    Refused are duplicates, paths or folders that differ by case or compatibility form alone, and
    a file where another path has a folder. One problem raises InvalidFieldError, several raise
    InvalidRequestError; each names both paths. Costs one sort, also for 100,000 paths.
    """
    refuse_all(list(find_conflicts(paths, field=field)))


def find_conflicts(paths: Iterable[str], *, field: str = "files") -> Iterator[InvalidFieldError]:
    """What `check_paths` raises, one error a pair of neighbours in folded order."""
    # With NUL, which no path holds, for the slash a folder sorts right before all that is in it:
    # of any conflicting paths at least two are neighbours, so comparing neighbours suffices.
    ordered = sorted((folded_path(path).replace("/", "\0"), path) for path in paths)
    for mine, theirs in pairwise(ordered):
        if conflict := _conflict(*mine, *theirs):
            expected, fix = conflict
            yield invalid(field, f"{show(mine[1])} and {show(theirs[1])}", expected, fix)


def folded_path(path: str) -> str:
    """The key that paths share which some file system holds for one: case and compatibility form.

    Unicode's compatibility caseless match: NFKC(fold(NFKC(fold(NFD(path))))).
    """
    if path.isascii():
        return path.lower()
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", path).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def is_git_path(path: str) -> bool:
    """True where a segment belongs to Git (`.git...`, `git~1`): `safe_path` refuses those.

    Whoever collects files, a push or a bridge, leaves these out instead.
    """
    return any(_is_git(folded_path(segment)) for segment in path.split("/"))


def refuse_all(problems: Sequence[InvalidFieldError]) -> None:
    """Raise one error for all problems, in their order; none raises nothing."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        rest = len(problems) - PROBLEMS_SHOWN_MAX
        shown = [str(problem) for problem in problems[:PROBLEMS_SHOWN_MAX]]
        raise InvalidRequestError(
            count=len(problems),
            summary=" ".join(shown[:3]) + f" And {len(problems) - 3} more." * (len(problems) > 3),
            violations=tuple(
                violation
                for problem in problems[:PROBLEMS_SHOWN_MAX]
                for violation in problem.field_violations
            )
            + ((FieldViolation(field="", description=f"and {rest} more"),) if rest > 0 else ()),
        )


def _check_length(path: str, field: str) -> None:
    if not path:
        raise invalid(field, "nothing", "a path of 1-1024 bytes", "Name the file.")
    if len(path) > PATH_BYTES_MAX:
        found = f"{len(path)} characters, {show(path)}"
        raise invalid(field, found, f"at most {PATH_BYTES_MAX} bytes of UTF-8", "Shorten it.")


def _check_characters(path: str, field: str) -> None:
    if path.isascii():
        match = _FORBIDDEN.search(path)
        position = match.start() if match else None
    else:
        position = next((n for n, c in enumerate(path) if not _is_allowed(c)), None)
    if position is not None:
        raise invalid(
            field,
            f"{codepoint(path[position])} as character {position + 1} of {show(path)}",
            'visible characters other than \\ : * ? < > | " and their look-alikes',
            "Rename the file; folders are parted by '/'.",
        )


def _is_allowed(character: str) -> bool:
    if not is_visible(character) or _FORBIDDEN.match(character):
        return False
    if character.isascii():
        return True
    # A full-width colon or solidus becomes the real one on its way through some Windows calls.
    plain = unicodedata.normalize("NFKC", character)
    return "/" not in plain and not _FORBIDDEN.search(plain)


def _check_segment(segment: str, path: str, field: str) -> None:
    if trouble := _trouble(segment):
        expected, fix = trouble
        found = f"segment {show(segment)}" if segment else "an empty segment"
        raise invalid(field, f"{found} in {show(path)}", expected, fix)


def _trouble(segment: str) -> tuple[str, str] | None:
    """What is expected instead of this segment, and how to mend it; None where all is well."""
    plain = segment if segment.isascii() else unicodedata.normalize("NFKC", segment)
    if not segment:
        fix = "Write it without a '/' at either end and without '//'."
        return "a relative path like onnx/model.onnx", fix
    if len(segment.encode()) > SEGMENT_BYTES_MAX:
        return (
            f"at most {SEGMENT_BYTES_MAX} bytes of UTF-8 between slashes",
            "Shorten this part.",
        )
    if plain in (".", ".."):
        fix = "Write where the file lies, counted from the version's root."
        return "a path without '.' and '..'", fix
    if plain[0] == " " or plain[-1] in " .":
        fix = "Rename it; Windows drops these silently."
        return "no blank at either end and no dot at the end", fix
    if is_device_name(plain):
        fix = "Change what stands before the first dot; Windows cannot make such a file."
        return "a name that is no Windows device such as NUL", fix
    if _is_git(folded_path(segment)):
        fix = "Leave it out; hallmark push leaves Git's files out by itself."
        return "no file of Git's own (.git, .gitattributes, ...)", fix
    return None


def _is_git(folded_segment: str) -> bool:
    return folded_segment.startswith(".git") or _SHORT_GIT.fullmatch(folded_segment) is not None


def _first_change(path: str) -> str:
    """Where NFC would change the path, by code points."""
    normal = unicodedata.normalize("NFC", path)
    for number, (found, expected) in enumerate(zip(path, normal, strict=False), start=1):
        if found != expected:
            return f"character {number} is {codepoint(found)}, NFC has {codepoint(expected)}"
    return f"its {len(path)} characters become {len(normal)}"


def _conflict(key: str, path: str, next_key: str, next_path: str) -> tuple[str, str] | None:
    """What is expected of two neighbours instead, and how to mend it; None where all is well."""
    if path == next_path:
        return "each path once", "Leave one of them out."
    if key == next_key:
        expected = "paths that differ in more than case or compatibility form"
        return expected, "Rename one; on macOS and Windows they collide."
    if next_key.startswith(key + "\0"):
        return (
            "each path to be either a file or a folder",
            "Rename the file or the folder.",
        )
    if _folders_differ(path, next_path):
        return (
            "one spelling of each folder",
            "Rename one; on macOS and Windows they become one.",
        )
    return None


def _folders_differ(path: str, other: str) -> bool:
    """True where both lie in folders that fold to the same key yet are spelled differently."""
    if "/" not in path or "/" not in other:
        return False
    for mine, theirs in zip(path.split("/")[:-1], other.split("/")[:-1], strict=False):
        if mine != theirs:
            return folded_path(mine) == folded_path(theirs)
    return False
