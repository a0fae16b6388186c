"""tar: files and folders one after the other, and zeros from there on to the end.

ustar, pax and GNU tar's long names are read (`tar_records.py`); the sources are named there.
Readers differ in what they do with the rest of what tar can say, so it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.formats import tar_records as records
from registry.formats.archive_names import check_name, check_names
from registry.formats.look import Look, Rule, quoted
from registry.formats.source import BytesSource, Source, Span, Unpacked, pieces
from registry.formats.tar_records import BLOCK_BYTES, Extension, Header, RecordError

#: A member of a compressed tar is held in memory up to this size: a parser may look back, which
#: would mean to unpack all that lies before it once more.
HELD_BYTES_MAX = 32 * 1024 * 1024

_PACK = "Pack the files again with a usual tool, such as Python's tarfile, and push that."
HEADER = Rule(
    "TAR-1",
    "Headers are ustar's or GNU's with the right checksum, octal numbers, and nothing left over.",
    _PACK,
)
EXTENSION = Rule(
    "TAR-2",
    "pax records and long names are whole, known, at most one before a member, and fit its header.",
    _PACK,
)
KIND = Rule("TAR-3", "Members are files and folders: no links, devices, or sparse files.", _PACK)
NAME = Rule(
    "TAR-4",
    "Members have names that are safe to unpack, and no two collide.",
    "Rename the members, and pack them again.",
)
LAYOUT = Rule(
    "TAR-5",
    "Members lie within the file, fill blocks of 512 bytes, and are padded with zeros.",
    _PACK,
)
END = Rule("TAR-6", "Two blocks of zeros or more end the file; nothing lies behind them.", _PACK)
RULES = (HEADER, EXTENSION, KIND, NAME, LAYOUT, END)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar."""

    name: str
    size_bytes: int
    source: Source


def read(look: Look) -> None:
    """An archive of any files; looks at each."""
    for member in members(look):
        look.inside(member.name, member.source)


def members(look: Look) -> Iterator[Member]:
    """The files of this tar, in order, after all of it was walked through and checked. Folders are
    checked and left out. A leading `./` is not part of a name."""
    found = list(_walk(look))
    files = [header.name for header, _ in found if header.kind != records.FOLDER]
    folders = [header.name for header, _ in found if header.kind == records.FOLDER]
    check_names(look, NAME, files, folders)
    for header, offset in found:
        if header.kind == records.FOLDER:
            continue
        source: Source = Span(look.source, offset, header.size_bytes)
        if isinstance(look.source, Unpacked) and header.size_bytes <= HELD_BYTES_MAX:
            source = BytesSource(source.read(0, header.size_bytes))
        yield Member(header.name, header.size_bytes, source)


def _walk(look: Look) -> Iterator[tuple[Header, int]]:
    """Headers with where their bytes begin; names checked one by one."""
    at = 0
    before: tuple[bytes, Extension] | None = None
    count = 0
    while (block := _block(look, at)).strip(b"\0"):
        look.budget.step()
        try:
            header = records.header(block)
        except RecordError as error:
            look.stop(HEADER, str(error), offset=at)
        if header.kind in (records.PAX, records.PAX_GLOBAL, records.LONG_NAME):
            extension = _extension(look, header, at)
            if before is not None:
                look.stop(EXTENSION, "found two extensions of one member", offset=at)
            if header.kind != records.PAX_GLOBAL:
                before = header.kind, extension
        else:
            count += 1
            if count > look.budget.members:
                look.budget.member()
            header = _extended(look, header, before, at)
            before = None
            _check_kind(look, header, at)
            if named := _named(look, header, at):
                yield named, at + BLOCK_BYTES
        at = _end(look, header, at)
    if before is not None:
        look.stop(EXTENSION, "found an extension of no member", offset=at)
    _check_end(look, at)


def _block(look: Look, at: int) -> bytes:
    block = look.source.read(at, BLOCK_BYTES)
    if len(block) < BLOCK_BYTES:
        look.stop(END, f"found {len(block)} bytes, expected a header or zeros", offset=at)
    return block


def _extension(look: Look, header: Header, at: int) -> Extension:
    if not 0 < header.size_bytes <= records.EXTENSION_BYTES_MAX or header.has_link:
        look.stop(EXTENSION, f"found an extension of {header.size_bytes} bytes", offset=at)
    data = look.source.read(at + BLOCK_BYTES, header.size_bytes)
    try:
        if header.kind != records.LONG_NAME:
            return records.pax(data, is_global=header.kind == records.PAX_GLOBAL)
        if header.name != records.LONG_LINK_NAME:
            raise RecordError(f"found a long name under the name {quoted(header.name)}")
        return Extension(name=records.long_name(data))
    except RecordError as error:
        look.stop(EXTENSION, str(error), offset=at)


def _extended(
    look: Look, header: Header, before: tuple[bytes, Extension] | None, at: int
) -> Header:
    if before is None:
        return header
    kind, extension = before
    try:
        return records.extended(header, extension, is_gnu=kind == records.LONG_NAME)
    except RecordError as error:
        look.stop(EXTENSION, str(error), offset=at)


def _check_kind(look: Look, header: Header, at: int) -> None:
    name = quoted(header.name)
    if header.kind not in (records.FILE, records.OLD_FILE, records.FOLDER):
        kind = records.OTHERS.get(header.kind, f"kind {header.kind!r}")
        look.stop(KIND, f"{name}: found {kind}, expected a file or a folder", offset=at)
    if header.has_link or (header.kind == records.FOLDER and header.size_bytes):
        look.stop(KIND, f"{name}: found a file that links, or a folder of bytes", offset=at)


def _named(look: Look, header: Header, at: int) -> Header | None:
    """With its name as it is unpacked; None for the folder that all lies in."""
    name = header.name
    is_folder = header.kind == records.FOLDER
    if is_folder and name in (".", "./"):
        return None
    name = name.removeprefix("./")
    name = name.removesuffix("/") if is_folder else name
    check_name(look, NAME, name, at)
    return Header(name=name, kind=header.kind, size_bytes=header.size_bytes, has_link=False)


def _end(look: Look, header: Header, at: int) -> int:
    """Where the next header begins."""
    end = at + BLOCK_BYTES + header.size_bytes
    padding = -header.size_bytes % BLOCK_BYTES
    if end + padding > look.source.size_bytes:
        look.stop(
            LAYOUT,
            f"{quoted(header.name)}: found {header.size_bytes} bytes, more than there are",
            offset=at,
        )
    if look.source.read(end, padding).strip(b"\0"):
        look.stop(LAYOUT, f"{quoted(header.name)}: found padding other than zeros", offset=end)
    return end + padding


def _check_end(look: Look, at: int) -> None:
    """From the first block of zeros on."""
    rest = look.source.size_bytes - at
    if rest < 2 * BLOCK_BYTES or rest % BLOCK_BYTES:
        look.stop(END, f"found {rest} bytes at the end, expected two blocks or more", offset=at)
    offset = at
    for piece in pieces(look.source, at):
        if piece.strip(b"\0"):
            look.stop(END, "found something behind the zeros that end the file", offset=offset)
        offset += len(piece)
