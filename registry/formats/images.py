"""PNG, JPEG and GIF, as they lie beside models: that they are nothing else, and end where they say.

Nothing is decoded: pixels are of no account here, and viewers have decoders of their own. What is
proved is that every byte belongs to a block that the format knows, so no other file hides behind or
between them.

Sources: https://www.w3.org/TR/png-3/ (section 5), ITU-T T.81 annex B, GIF89a specification.
"""

from __future__ import annotations

import re
import struct
import zlib

from registry.formats.look import Look, Rule, SpentError, quoted
from registry.formats.zip_records import END_MAGIC

#: Read into memory.
IMAGE_BYTES_MAX = 64 * 1024 * 1024
_ZIP_END_BYTES = 22 + 65535

_SAVE = "Save the picture again with a usual tool, and push that."
PNG = Rule(
    "PNG-1", "A PNG is of known chunks with the right CRC, from IHDR to IEND at its end.", _SAVE
)
JPEG = Rule("JPEG-1", "A JPEG is of known segments, from SOI to EOI at its end.", _SAVE)
GIF = Rule("GIF-1", "A GIF is of known blocks, up to the trailer at its end.", _SAVE)
BOTH = Rule("IMAGE-1", "A picture is not a zip file at the same time.", _SAVE)
RULES = (PNG, JPEG, GIF, BOTH)

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
#: Of the specification, its extensions, Apple's iDOT and C2PA's caBX.
_CHUNKS = _CRITICAL | set(
    b"tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI mDCv cLLi tEXt zTXt iTXt bKGD hIST pHYs sPLT "
    b"eXIf tIME acTL fcTL fdAT oFFs pCAL sCAL sTER gIFg gIFx iDOT caBX vpAg orNT".split()
)
#: By colour type: the bit depths (section 11.2.1).
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}

#: T.81 table B.1: frames (all that are in use), tables, scans, intervals, applications, comments.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEGMENTS = _FRAMES | {0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_SCAN, _END = 0xDA, 0xD9
#: What ends a scan's data: a marker that is neither a stuffed byte nor a restart nor a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_GIF_EXTENSIONS = (0x01, 0xF9, 0xFE, 0xFF)


def _whole(look: Look) -> bytes:
    if look.source.size_bytes > IMAGE_BYTES_MAX:
        raise SpentError(f"pictures of more than {IMAGE_BYTES_MAX:,} bytes are not looked at")
    data = look.source.read(0, look.source.size_bytes)
    # Where all readers of zip look for its end record, though this one asks for the first byte.
    if (at := data.rfind(END_MAGIC, -_ZIP_END_BYTES if len(data) > _ZIP_END_BYTES else 0)) >= 0:
        look.refuse(BOTH, "found the end record of a zip file", offset=at)
    return data


def read_png(look: Look) -> None:
    data = _whole(look)
    at, previous, seen = len(_PNG_MAGIC), b"", set[bytes]()
    while previous != b"IEND":
        look.budget.step()
        if len(data) - at < 12:
            look.stop(PNG, "found the end of the file, expected a chunk", offset=at)
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind not in _CHUNKS or length > len(data) - at - 12:
            look.stop(PNG, f"found chunk {quoted(kind)} of {length} bytes", offset=at)
        body_end = at + 8 + length
        if zlib.crc32(memoryview(data)[at + 4 : body_end]) != int.from_bytes(
            data[body_end : body_end + 4], "big"
        ):
            look.stop(PNG, f"found chunk {quoted(kind)} with another CRC-32", offset=at)
        _check_chunk(look, data[at + 8 : body_end], at, kind, previous, seen)
        seen.add(kind)
        previous, at = kind, body_end + 4
    if at != len(data) or b"IDAT" not in seen:
        look.stop(PNG, f"found {len(data) - at} bytes behind IEND, or no IDAT", offset=at)


def _check_chunk(
    look: Look, body: bytes, at: int, kind: bytes, previous: bytes, seen: set[bytes]
) -> None:
    """Its place among the others; what IHDR and IEND hold."""
    is_again = kind in seen and kind in _CRITICAL and (kind, previous) != (b"IDAT", b"IDAT")
    if is_again or (kind == b"IHDR") != (not previous) or (kind == b"IEND" and body):
        look.stop(PNG, f"found chunk {quoted(kind)} after {quoted(previous)}", offset=at)
    if kind != b"IHDR":
        return
    if len(body) != 13:
        look.stop(PNG, f"found an IHDR of {len(body)} bytes, expected 13", offset=at)
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", body)
    is_known = (
        0 < width < 2**31
        and 0 < height < 2**31
        and depth in _DEPTHS.get(colour, ())
        and (packing, filtering) == (0, 0)
        and interlace in (0, 1)
    )
    if not is_known:
        look.stop(PNG, f"found an IHDR of {body.hex()}", offset=at)


def read_jpeg(look: Look) -> None:
    data = _whole(look)
    at, seen = 2, set[int]()
    while True:
        look.budget.step()
        # Fill bytes (B.1.1.2) may stand before a marker; nobody writes more than a few.
        marker = data[at + 1] if data[at : at + 1] == b"\xff" and at + 1 < len(data) else None
        if marker == 0xFF and at < len(data) - 2:
            at += 1
            continue
        if marker == _END:
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker is None or marker not in _SEGMENTS or not 2 <= length <= len(data) - at - 2:
            look.stop(JPEG, f"found {quoted(data[at : at + 4])}, expected a segment", offset=at)
        seen.add(marker)
        at += 2 + length
        if marker == _SCAN:
            match = _MARKER.search(data, at)
            if not match:
                look.stop(JPEG, "found a scan without an end", offset=at)
            at = match.start()
    if at + 2 != len(data) or _SCAN not in seen or not seen & _FRAMES:
        look.stop(
            JPEG,
            f"found {len(data) - at - 2} bytes behind EOI, or no frame or scan before it",
            offset=at,
        )


def read_gif(look: Look) -> None:
    data = _whole(look)
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        look.stop(GIF, f"found {quoted(data[:6])}, expected GIF87a or GIF89a", offset=0)
    at = 13 + _colours(data[10])
    images = 0
    while (kind := data[at : at + 1]) != b"\x3b":
        if kind == b"\x21" and data[at + 1 : at + 2] and data[at + 1] in _GIF_EXTENSIONS:
            at = _blocks(look, data, at + 2)
        elif kind == b"\x2c" and len(data) - at >= 11:
            images += 1
            # The image's own colours, and a byte that says how its codes begin.
            at = _blocks(look, data, at + 10 + _colours(data[at + 9]) + 1)
        else:
            look.stop(GIF, f"found {quoted(data[at : at + 2])}, expected a block", offset=at)
    if at + 1 != len(data) or not images:
        look.stop(GIF, f"found {len(data) - at - 1} bytes behind the trailer", offset=at)


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(look: Look, data: bytes, at: int) -> int:
    """Where sub-blocks end."""
    while at < len(data):
        look.budget.step()
        length = data[at]
        at += 1 + length
        if not length:
            break
    else:
        look.stop(GIF, "found the end of the file within a block", offset=len(data))
    return at
