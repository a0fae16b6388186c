"""The records of a zip file, each by itself: end, central header, local header, data descriptor.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.5,
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

CENTRAL_MAGIC = b"PK\x01\x02"
LOCAL_MAGIC = b"PK\x03\x04"
END_MAGIC = b"PK\x05\x06"
END64_MAGIC = b"PK\x06\x06"
LOCATOR_MAGIC = b"PK\x06\x07"
DESCRIPTOR_MAGIC = b"PK\x07\x08"

#: 4.3.16, 4.3.14, 4.3.15, 4.3.12, 4.3.7; after the magic.
END = struct.Struct("<4sHHHHIIH")
END64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR = struct.Struct("<4sIQI")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
LOCAL = struct.Struct("<4sHHHHHIIIHH")

MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF

STORED, DEFLATED = 0, 8
#: 4.4.4: sizes and CRC follow the data; the name is UTF-8.
FLAG_DESCRIPTOR, FLAG_UTF8 = 0x0008, 0x0800
#: 4.4.3.2: with 4.5 zip64 came; what came later (bzip2, AES, LZMA, links to parts) is not read.
VERSION_MAX = 45

_ZIP64, _TIME, _UNIX, _OLD_UNIX, _NTFS, _UNICODE_PATH = 0x1, 0x5455, 0x7875, 0x5855, 0xA, 0x7075
#: What PyTorch aligns tensors with: "FB".
_TORCH_PADDING = 0x4246


class RecordError(Exception):
    """A record is not what the format says; the text says what was found and expected."""


class ExtraFieldError(RecordError):
    """What is wrong with it is an extra field."""


class NamingError(RecordError):
    """What is wrong with it is a name, which readers would take for different ones."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, as the central directory has it."""

    name: str
    raw_name: bytes
    #: Where its central header begins.
    at: int
    flags: int
    method: int
    crc32: int
    packed_bytes: int
    size_bytes: int
    #: Where its local header begins.
    local_at: int
    version_made_by: int
    version_needed: int
    internal_attributes: int
    external_attributes: int

    @property
    def is_folder(self) -> bool:
        return self.raw_name.endswith(b"/")

    @property
    def has_descriptor(self) -> bool:
        return bool(self.flags & FLAG_DESCRIPTOR)


def extra_fields(extra: bytes) -> dict[int, bytes]:
    """By id, each once; 4.5.1. They fill their space to the last byte."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if len(extra) - at < 4:
            raise ExtraFieldError(f"found {len(extra) - at} bytes after the last extra field")
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind in fields:
            raise ExtraFieldError(f"found extra field {kind:#06x} twice")
        if length > len(extra) - at - 4:
            raise ExtraFieldError(f"found extra field {kind:#06x} that is longer than its space")
        fields[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    return fields


def check_extra_fields(fields: dict[int, bytes], raw_name: bytes) -> None:
    """That each is known and holds nothing but what it is for; zip64's is read elsewhere."""
    for kind, data in fields.items():
        if kind == _ZIP64 or _is_plain(kind, data):
            continue
        if kind == _UNICODE_PATH:
            said = struct.pack("<BI", 1, zlib.crc32(raw_name)) + raw_name
            if data == said:
                continue
            raise NamingError("found another name in the extra field for a Unicode path")
        raise ExtraFieldError(
            f"found extra field {kind:#06x} of {len(data)} bytes, which is not known"
        )


def _is_plain(kind: int, data: bytes) -> bool:
    """Padding, and times and owners of files in the lengths that these have."""
    if kind == _TORCH_PADDING:
        return not data.strip(b"Z") or not data.strip(b"\0")
    if kind == _TIME:
        return len(data) in (1, 5, 9, 13) and data[0] < 8
    if kind == _UNIX:
        return len(data) == 11 and data[:2] == b"\x01\x04" and data[6] == 4
    if kind == _OLD_UNIX:
        return len(data) in (8, 12)
    return kind == _NTFS and len(data) == 32 and data[4:8] == b"\x01\0\x18\0"


def central_entry(directory: bytes, at: int, base: int) -> tuple[Entry, int]:
    """The entry whose header begins at a byte of the directory, and where the next one begins."""
    if len(directory) - at < CENTRAL.size:
        raise RecordError(f"found {len(directory) - at} bytes after the last central header")
    # fmt: off
    (magic, made_by, needed, flags, method, _time, _date, crc32, packed, size,
     name_length, extra_length, comment_length, disk, internal, external, local_at,
    ) = CENTRAL.unpack_from(directory, at)
    # fmt: on
    if magic != CENTRAL_MAGIC:
        raise RecordError(f"found {magic!r}, expected a central header")
    name_at = at + CENTRAL.size
    end = name_at + name_length + extra_length + comment_length
    if end > len(directory):
        raise RecordError("found a central header that is longer than its directory")
    if comment_length:
        raise RecordError("found a comment on a member, expected none")
    raw_name = directory[name_at : name_at + name_length]
    fields = extra_fields(directory[name_at + name_length : end])
    check_extra_fields(fields, raw_name)
    packed, size, local_at, disk = _central_zip64(fields.get(_ZIP64), packed, size, local_at, disk)
    if disk:
        raise RecordError(f"found a member on disk {disk}, expected one file")
    entry = Entry(
        name=_decoded(raw_name, flags),
        raw_name=raw_name,
        at=base + at,
        flags=flags,
        method=method,
        crc32=crc32,
        packed_bytes=packed,
        size_bytes=size,
        local_at=local_at,
        version_made_by=made_by,
        version_needed=needed,
        internal_attributes=internal,
        external_attributes=external,
    )
    return entry, end


def _decoded(raw_name: bytes, flags: int) -> str:
    """What no reader takes for something else: without the flag some say UTF-8, some cp437."""
    try:
        return raw_name.decode("utf-8" if flags & FLAG_UTF8 else "ascii")
    except UnicodeDecodeError as error:
        kind = "UTF-8" if flags & FLAG_UTF8 else "ASCII, or the flag for UTF-8"
        raise NamingError(f"found {raw_name[:80]!r} as a name, expected {kind}") from error


def _central_zip64(
    field: bytes | None, packed: int, size: int, local_at: int, disk: int
) -> tuple[int, int, int, int]:
    """Sizes, place, disk: from the zip64 field those that are all ones, in the order of 4.5.3."""
    values = {"size": size, "packed": packed, "local_at": local_at}
    missing = [key for key, value in values.items() if value == MAX32]
    length = 8 * len(missing) + 4 * (disk == MAX16)
    if (len(field) if field is not None else 0) != length:
        found = "no zip64 field" if field is None else f"a zip64 field of {len(field)} bytes"
        raise RecordError(f"found {found}, expected {length} bytes for what is all ones")
    if field:
        values |= zip(missing, struct.unpack_from(f"<{len(missing)}Q", field), strict=True)
        if disk == MAX16:
            disk = int.from_bytes(field[-4:], "little")
    return values["packed"], values["size"], values["local_at"], disk


def check_local(entry: Entry, header: bytes, rest: bytes) -> None:
    """That a local header and its name and extra fields say what the central header says, each
    field that both have. The versions may differ (CPython's zipfile), and the extra fields."""
    _magic, _needed, flags, method, _time, _date, crc32, packed, size, name_length, _ = (
        LOCAL.unpack(header)
    )
    _same("flags", flags, entry.flags)
    _same("method", method, entry.method)
    _same("name", rest[:name_length], entry.raw_name)
    fields = extra_fields(rest[name_length:])
    check_extra_fields(fields, entry.raw_name)
    # With a descriptor they may be left at 0 (4.4.4, bit 3).
    later = (0,) if entry.has_descriptor else ()
    _same("CRC-32", crc32, entry.crc32, *later)
    field = fields.get(_ZIP64)
    if field is None:
        _same("packed size", packed, entry.packed_bytes, *later)
        _same("size", size, entry.size_bytes, *later)
        return
    if len(field) not in (8, 16, 24):
        raise RecordError(f"found a zip64 field of {len(field)} bytes in a local header")
    values = struct.unpack(f"<{len(field) // 8}Q", field)
    if packed == size == MAX32 and len(values) == 2:
        _same("size", values[0], entry.size_bytes, *later)
        _same("packed size", values[1], entry.packed_bytes, *later)
        return
    # PyTorch (miniz) leaves sizes at 0 for the descriptor, and adds its own place.
    _same("packed size", packed, entry.packed_bytes, *later)
    _same("size", size, entry.size_bytes, *later)
    known = (entry.size_bytes, entry.packed_bytes, entry.local_at, *later)
    for value in values:
        _same("zip64 field", value, *known)


def check_descriptor(entry: Entry, data: bytes) -> None:
    """The bytes between a member's data and what follows: 4.3.9, with magic or without, sizes of 4
    or 8 bytes; nothing where there is no descriptor."""
    sizes = (entry.packed_bytes, entry.size_bytes)
    forms: list[bytes] = [b""]
    if entry.has_descriptor:
        short = max(sizes) <= MAX32
        plain = [struct.pack("<IQQ", entry.crc32, *sizes)]
        plain += [struct.pack("<III", entry.crc32, *sizes)] if short else []
        forms = [magic + form for magic in (DESCRIPTOR_MAGIC, b"") for form in plain]
    if data not in forms:
        expected = "a data descriptor with CRC-32 and sizes" if entry.has_descriptor else "none"
        raise RecordError(
            f"found {len(data)} bytes after its data, {data[:24]!r}, expected {expected}"
        )


def _same(what: str, found: object, *expected: object) -> None:
    if found not in expected:
        raise RecordError(
            f"found {what} {found!r:.80} in the local header, expected {expected[0]!r:.80}"
        )
