"""zip: members one after the other from byte 0, one central directory, one end record at the end.

Source: PKWARE APPNOTE.TXT 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. Only
what all readers understand alike is let in: two of them that see different members, or other bytes
of one, are how payloads pass scanners. What the format allows beyond that (a prefix, gaps,
comments, encryption, other methods, several disks) is refused.

Formats within a zip, such as PyTorch's, ask `members` and look at what they get.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from registry.formats import zip_records as records
from registry.formats.archive_names import check_name, check_names
from registry.formats.look import Look, Rule, SpentError, quoted
from registry.formats.source import PIECE_BYTES, Source, Span, Unpacked, pieces
from registry.formats.zip_records import Entry, RecordError

#: Held in memory; for about a million members.
DIRECTORY_BYTES_MAX = 64 * 1024 * 1024
_INPUT_BYTES = 256 * 1024

_PACK = "Pack the files again with a usual tool, such as Python's zipfile, and push that."
END = Rule(
    "ZIP-1",
    "The file ends with one end record, without comment, for one disk; zip64's says the same.",
    _PACK,
)
DIRECTORY = Rule(
    "ZIP-2",
    "The directory lies right before the end record and holds as many members as that says.",
    _PACK,
)
NAME = Rule(
    "ZIP-3",
    "Members have names that are safe to unpack, in ASCII or flagged as UTF-8, and no two collide.",
    "Rename the members, and pack them again.",
)
AGREE = Rule(
    "ZIP-4", "Each member's local header and data descriptor say what the directory says.", _PACK
)
METHOD = Rule(
    "ZIP-5",
    "Members are stored or deflated, not encrypted; the only flags are UTF-8 and data descriptor.",
    _PACK,
)
LAYOUT = Rule(
    "ZIP-6",
    "Members follow one another without gap or overlap from byte 0 to the central directory.",
    _PACK,
)
CONTENT = Rule("ZIP-7", "Members' bytes have the size and the CRC-32 that are stated.", _PACK)
EXTRA = Rule(
    "ZIP-8",
    "Headers are whole, without comments; their extra fields are zip64's, padding, times, owners.",
    _PACK,
)
KIND = Rule("ZIP-9", "Members are files and folders, not links or devices.", _PACK)
RULES = (END, DIRECTORY, NAME, AGREE, METHOD, LAYOUT, CONTENT, EXTRA, KIND)

#: Read-only, hidden, system, folder, archive, not indexed, and that the bits above are Unix's.
_ATTRIBUTES = 0x01 | 0x02 | 0x04 | 0x10 | 0x20 | 0x2000 | 0x8000
_ATTRIBUTE_FOLDER = 0x10


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a zip. Its bytes have their CRC-32, or the archive fails."""

    name: str
    size_bytes: int
    source: Source
    #: Stored as it is: `source` is a part of the file, and can be read anywhere at no cost. If not,
    #: it is cheap to read in order only.
    is_stored: bool
    #: Where its bytes, packed or not, begin in the archive.
    offset: int


def read(look: Look) -> None:
    """An archive of any files; looks at each."""
    for member in members(look):
        look.inside(member.name, member.source)


def members(look: Look, *, are_keys: bool = False) -> list[Member]:
    """The files of this zip in the order of their bytes, after all of it was checked. Folders are
    checked and left out. With `are_keys` names may hold colons (see `check_name`).

    Findings are noted; StopLooking where members cannot be told. Deflated members were unpacked
    once, from start to end, and stored ones are compared while the file is hashed, so callers need
    not read what they get. Memory: about 500 bytes a member and the central directory.
    """
    directory, at, count = _directory(look)
    entries = _entries(look, directory, at, count)
    for entry in entries:
        name = entry.name.removesuffix("/") if entry.is_folder else entry.name
        check_name(look, NAME, name, entry.at, is_key=are_keys)
        _check_kind(look, entry)
    files = [entry.name for entry in entries if not entry.is_folder]
    folders = [entry.name.removesuffix("/") for entry in entries if entry.is_folder]
    check_names(look, NAME, files, folders)
    return _lay_out(look, entries, at)


def _directory(look: Look) -> tuple[bytes, int, int]:
    """The central directory, where it begins, and how many entries it should have."""
    source = look.source
    end_at = source.size_bytes - records.END.size
    if end_at < 0:
        look.stop(END, f"found {source.size_bytes} bytes, expected at least {records.END.size}")
    data = source.read(end_at, records.END.size)
    magic, disk, first_disk, here, count, size, at, comment = records.END.unpack(data)
    if magic != records.END_MAGIC or comment or data.rfind(records.END_MAGIC):
        look.stop(END, "found no end record as the last 22 bytes", offset=end_at)
    if disk or first_disk or here != count:
        look.stop(END, f"found disks {disk} and {first_disk}, expected one file", offset=end_at)
    wide = _wide_end(look, end_at, (count, size, at))
    if wide is not None:
        end_at, count, size, at = wide
    if at + size != end_at:
        look.stop(
            DIRECTORY,
            f"found it at byte {at} with {size} bytes, expected it to end at {end_at}",
            offset=end_at,
        )
    if size > DIRECTORY_BYTES_MAX:
        raise SpentError("its central directory is longer than what is looked at")
    return source.read(at, size), at, count


def _wide_end(
    look: Look, end_at: int, narrow: tuple[int, int, int]
) -> tuple[int, int, int, int] | None:
    """Of the zip64 end record (4.3.14, 4.3.15), if there is one: where it begins, members, size and
    place of the directory. The other end record says the same, or all ones."""
    locator_at = end_at - records.LOCATOR.size
    if locator_at < 0:
        return None
    locator = look.source.read(locator_at, records.LOCATOR.size)
    magic, disk, wide_at, disks = records.LOCATOR.unpack(locator)
    if magic != records.LOCATOR_MAGIC:
        return None
    if disk or disks != 1 or wide_at != locator_at - records.END64.size or wide_at < 0:
        look.stop(END, "found a zip64 locator of something else", offset=locator_at)
    (magic, length, _made_by, _needed, disk, first_disk, here, count, size, at) = (
        records.END64.unpack(look.source.read(wide_at, records.END64.size))
    )
    if magic != records.END64_MAGIC or length != records.END64.size - 12 or disk or first_disk:
        look.stop(END, "found no zip64 end record before its locator", offset=wide_at)
    wide = (count, size, at)
    ones = (records.MAX16, records.MAX32, records.MAX32)
    if here != count or any(n not in (w, o) for n, w, o in zip(narrow, wide, ones, strict=True)):
        look.stop(
            END, f"found {narrow}, expected what the zip64 record says: {wide}", offset=end_at
        )
    return wide_at, count, size, at


def _entries(look: Look, directory: bytes, base: int, count: int) -> list[Entry]:
    if count > look.budget.members:
        raise SpentError("it has more members than are looked at in one file")
    entries: list[Entry] = []
    at = 0
    while at < len(directory) and len(entries) < count:
        look.budget.step()
        try:
            entry, at = records.central_entry(directory, at, base)
        except RecordError as error:
            look.stop(_rule_of(error, EXTRA), str(error), offset=base + at)
        entries.append(entry)
    if len(entries) != count or at != len(directory):
        look.stop(
            DIRECTORY,
            f"found {len(entries)} members in {at} bytes, expected {count} in {len(directory)}",
            offset=base,
        )
    return entries


def _rule_of(error: RecordError, rule: Rule) -> Rule:
    if isinstance(error, records.NamingError):
        return NAME
    return EXTRA if isinstance(error, records.ExtraFieldError) else rule


def _check_kind(look: Look, entry: Entry) -> None:
    """That it is packed as all readers can tell, and a file, or a folder if its name says so."""
    known = records.FLAG_UTF8 | records.FLAG_DESCRIPTOR
    if entry.flags & ~known or entry.version_needed & 0xFF > records.VERSION_MAX:
        found = f"flags {entry.flags:#06x} and version {entry.version_needed}"
        look.refuse(METHOD, f"{quoted(entry.name)}: found {found}", offset=entry.at)
    if entry.method not in (records.STORED, records.DEFLATED):
        look.stop(METHOD, f"{quoted(entry.name)}: found method {entry.method}", offset=entry.at)
    mode, attributes = entry.external_attributes >> 16, entry.external_attributes & 0xFFFF
    kinds = (0, stat.S_IFDIR if entry.is_folder else stat.S_IFREG)
    is_plain = (
        stat.S_IFMT(mode) in kinds
        and not attributes & ~_ATTRIBUTES
        and (entry.is_folder or not attributes & _ATTRIBUTE_FOLDER)
        and entry.internal_attributes & ~1 == 0
    )
    if not is_plain:
        found = f"attributes {entry.external_attributes:#010x}, {entry.internal_attributes:#06x}"
        look.refuse(KIND, f"{quoted(entry.name)}: found {found}", offset=entry.at)
    if entry.is_folder and entry.size_bytes:
        look.refuse(KIND, f"{quoted(entry.name)}: found a folder with bytes", offset=entry.at)


def _lay_out(look: Look, entries: list[Entry], directory_at: int) -> list[Member]:
    found: list[Member] = []
    ordered = sorted(entries, key=lambda each: each.local_at)
    at = 0
    for number, entry in enumerate(ordered):
        begin = _begin(look, entry, at, directory_at)
        end = begin + entry.packed_bytes
        is_last = number + 1 == len(ordered)
        at = directory_at if is_last else ordered[number + 1].local_at
        # A descriptor has at most 24 bytes; more is a gap, less than none an overlap.
        if not 0 <= at - end <= 24 or (not entry.has_descriptor and at != end):
            kind = "a gap" if at > end else "an overlap"
            look.stop(LAYOUT, f"found {kind} after {quoted(entry.name)} at byte {end}", offset=end)
        try:
            records.check_descriptor(entry, look.source.read(end, at - end))
        except RecordError as error:
            look.stop(AGREE, f"{quoted(entry.name)}: {error}", offset=end)
        member = _member(look, entry, begin, end)
        if not entry.is_folder:
            found.append(member)
    if at != directory_at:
        look.stop(LAYOUT, f"found {directory_at} bytes before the directory, expected members")
    return found


def _begin(look: Look, entry: Entry, at: int, directory_at: int) -> int:
    """Where a member's data begins, whose local header should begin at a byte and says the same."""
    name = quoted(entry.name)
    if entry.local_at != at:
        look.stop(LAYOUT, f"{name}: found it at byte {entry.local_at}, expected {at}", offset=at)
    header = look.source.read(at, min(records.LOCAL.size, directory_at - at))
    if len(header) < records.LOCAL.size or not header.startswith(records.LOCAL_MAGIC):
        look.stop(LAYOUT, f"{name}: found no local header where it should be", offset=at)
    lengths: tuple[int, int] = records.LOCAL.unpack(header)[-2:]
    rest_at = at + records.LOCAL.size
    begin = rest_at + sum(lengths)
    if begin + entry.packed_bytes > directory_at:
        look.stop(LAYOUT, f"{name}: found bytes that reach into the directory", offset=at)
    try:
        records.check_local(entry, header, look.source.read(rest_at, begin - rest_at))
    except RecordError as error:
        look.stop(_rule_of(error, AGREE), f"{name}: {error}", offset=at)
    return begin


def _member(look: Look, entry: Entry, begin: int, end: int) -> Member:
    """Its bytes, which are compared with their CRC-32."""
    packed = Span(look.source, begin, end - begin)
    name = quoted(entry.name)
    source: Source
    if entry.method == records.STORED:
        if entry.packed_bytes != entry.size_bytes:
            found = f"{entry.packed_bytes} bytes for {entry.size_bytes}"
            look.stop(CONTENT, f"{name}: found {found}, stored as they are", offset=begin)
        source = packed
        if look.depth == 0:
            look.checksum(CONTENT, entry.name, begin, end, entry.crc32)
        elif _crc32(packed) != entry.crc32:
            look.stop(CONTENT, f"{name}: found another CRC-32 than stated", offset=begin)
    else:
        source = Unpacked(lambda: _inflate(look, entry, packed), entry.size_bytes)
        for _ in _inflate(look, entry, packed):
            pass
    return Member(entry.name, entry.size_bytes, source, entry.method == records.STORED, begin)


def _crc32(source: Source) -> int:
    crc32 = 0
    for piece in pieces(source):
        crc32 = zlib.crc32(piece, crc32)
    return crc32


def _inflate(look: Look, entry: Entry, packed: Source) -> Iterator[bytes]:
    """All bytes of a deflated member. The stream ends with its last byte, no sooner; StopLooking
    where it does not, before the bytes that are too many or wrong are handed out."""
    name = quoted(entry.name)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    crc32, size, at = 0, 0, 0
    held = b""
    while not stream.eof:
        data = stream.unconsumed_tail
        if not data:
            data = packed.read(at, _INPUT_BYTES)
            at += len(data)
        try:
            piece = stream.decompress(data, PIECE_BYTES)
        except zlib.error:
            look.stop(CONTENT, f"{name}: found a deflate stream that is broken", offset=entry.at)
        if not data and not piece:
            break
        look.budget.unpack(len(piece))
        crc32 = zlib.crc32(piece, crc32)
        size += len(piece)
        if size > entry.size_bytes:
            break
        if held and piece:
            yield held
        held = piece or held
    is_whole = stream.eof and not stream.unused_data and at == packed.size_bytes
    if not is_whole or (size, crc32) != (entry.size_bytes, entry.crc32):
        look.stop(
            CONTENT,
            f"{name}: found a deflate stream of other bytes than stated, or more behind it",
            offset=entry.at,
        )
    if held:
        yield held
