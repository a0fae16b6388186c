"""The records of a tar file, each by itself: headers, pax records, long names.

Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"
(https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html); GNU tar manual, "Basic Tar
Format".
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

BLOCK_BYTES = 512
#: Of pax records and long names.
EXTENSION_BYTES_MAX = 64 * 1024

FILE, OLD_FILE, FOLDER = b"0", b"\0", b"5"
PAX, PAX_GLOBAL, LONG_NAME = b"x", b"g", b"L"
#: Names of what is refused, for messages.
OTHERS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"7": "a contiguous file",
    b"K": "a long link",
    b"S": "a sparse file",
    b"D": "a dump of a folder",
    b"M": "a part of a file",
    b"V": "a volume's name",
}
LONG_LINK_NAME = "././@LongLink"

_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
_USTAR, _GNU = b"ustar\x0000", b"ustar  \0"
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_BLANK = re.compile(rb"[ \0]*")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
#: What a header's octal size can say.
_OCTAL_SIZE_MAX = 8**11 - 1
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
#: Records that tell times and owners, which nobody here goes by.
_NUMBER_KEYS = {
    *("mtime", "atime", "ctime", "uid", "gid", "LIBARCHIVE.creationtime"),
    *("SCHILY.dev", "SCHILY.ino", "SCHILY.nlink"),
}
_TEXT_KEYS = {"uname", "gname", "comment"}


class RecordError(Exception):
    """A record is not what the format says; the text says what was found and expected."""


@dataclass(frozen=True, slots=True)
class Header:
    name: str
    kind: bytes
    size_bytes: int
    has_link: bool


def header(block: bytes) -> Header:
    """One of 512 bytes, each field checked."""
    # fmt: off
    (name, mode, uid, gid, size, mtime, checksum, kind, link, magic, user, group, major, minor,
     prefix, rest) = _HEADER.unpack(block)
    # fmt: on
    expected = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    if magic not in (_USTAR, _GNU):
        raise RecordError(f"found {magic!r}, expected the magic of ustar or GNU tar")
    if _number("checksum", checksum) != expected:
        raise RecordError(f"found checksum {checksum!r}, expected {expected:o}")
    for what, field in {"mode": mode, "uid": uid, "gid": gid, "mtime": mtime}.items():
        _number(what, field)
    for what, field in {"devmajor": major, "devminor": minor}.items():
        if _number(what, field):
            raise RecordError(f"found {what} {field!r}, expected none")
    _text("user", user), _text("group", group)
    if rest.strip(b"\0") or (magic == _GNU and prefix.strip(b"\0")):
        raise RecordError("found bytes where a header is empty")
    text, folder = _text("name", name), _text("prefix", prefix)
    return Header(
        name=f"{folder}/{text}" if folder else text,
        kind=kind,
        size_bytes=_number("size", size),
        has_link=bool(_text("link", link)),
    )


def _number(what: str, field: bytes) -> int:
    """Octal, or base 256 with the highest bit set; what is blank is 0."""
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
        if value < 2**63:
            return value
    elif match := _OCTAL.fullmatch(field):
        return int(match[1], 8)
    elif _BLANK.fullmatch(field) and what not in ("size", "checksum"):
        return 0
    raise RecordError(f"found {what} {field!r}, expected an octal number")


def _text(what: str, field: bytes) -> str:
    """UTF-8 up to the first NUL, and nothing but NUL from there on."""
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise RecordError(f"found bytes behind the end of the {what}: {field!r:.120}")
    return decoded(what, text)


def decoded(what: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"found {data[:80]!r} as the {what}, expected UTF-8") from error


def long_name(data: bytes) -> str:
    """GNU's: with a NUL at its end, and none within."""
    if not data.endswith(b"\0") or data.find(b"\0") != len(data) - 1:
        raise RecordError("found a long name that does not end with its one NUL")
    return decoded("long name", data[:-1])


@dataclass(frozen=True, slots=True)
class Extension:
    """What goes before a member's header, to say what does not fit into it."""

    name: str | None = None
    size_bytes: int | None = None


def pax(data: bytes, *, is_global: bool) -> Extension:
    """Records `length key=value`, one after the other. Of all files together only a comment, as
    `git archive` has it, can be said."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        match = _PAX_LENGTH.match(data, at)
        end = at + int(match[1]) if match else 0
        if not match or end > len(data) or end <= match.end() or data[end - 1] != ord("\n"):
            raise RecordError(f"found {data[at : at + 40]!r}, expected a pax record")
        key, equals, value = decoded("pax record", data[match.end() : end - 1]).partition("=")
        if not equals or key in records or "\0" in value or "\n" in value:
            raise RecordError(f"found pax record {key!r:.80} twice, or with odd characters")
        _check_pax(key, value, is_global=is_global)
        records[key] = value
        at = end
    size = records.get("size")
    return Extension(name=records.get("path"), size_bytes=None if size is None else int(size))


def _check_pax(key: str, value: str, *, is_global: bool) -> None:
    known = (
        key == "comment"
        or (not is_global and key in _TEXT_KEYS | {"path"})
        or (not is_global and key in _NUMBER_KEYS and _NUMBER.fullmatch(value))
        or (not is_global and key == "size" and re.fullmatch("[0-9]{1,18}", value))
    )
    if not known:
        raise RecordError(f"found pax record {key!r:.80} of {value!r:.80}, which is not known")


def extended(plain: Header, extension: Extension, *, is_gnu: bool) -> Header:
    """A header with what goes before it. Readers that go by the header alone and those that go by
    the extension have to come to the same end of the file."""
    name, size_bytes = extension.name, extension.size_bytes
    if is_gnu and name is not None and not name.startswith(plain.name):
        raise RecordError(f"found the name {plain.name!r:.120}, expected the long one's beginning")
    if not is_gnu and (plain.name.startswith("/") or ".." in plain.name.split("/")):
        raise RecordError(f"found the name {plain.name!r:.120} beside pax's")
    is_said_twice = size_bytes is None or size_bytes == plain.size_bytes
    is_too_large = plain.size_bytes == 0 and (size_bytes or 0) > _OCTAL_SIZE_MAX
    if not is_said_twice and not is_too_large:
        raise RecordError(f"found size {plain.size_bytes}, expected pax's: {size_bytes}")
    return Header(
        name=plain.name if name is None else name,
        kind=plain.kind,
        size_bytes=plain.size_bytes if size_bytes is None else size_bytes,
        has_link=plain.has_link,
    )
