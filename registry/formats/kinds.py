"""What the bytes of a file look like, whatever its name says.

Only the beginning is looked at, at a few fixed places: that tells which parser is to prove it. It
is not a verdict.
"""

from __future__ import annotations

from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.source import BytesSource, Source

#: A tar's magic lies at 257; a text shows itself within as much.
HEAD_BYTES = 4096

#: What nothing below recognises.
BINARY = "binary"
EMPTY = "empty"
TEXT = "text"
#: Compiled Python; Windows' shortcuts; documents that may have macros. No name lets them in.
COMPILED, SHORTCUT, OLE = "compiled", "shortcut", "ole"
REFUSED = frozenset((COMPILED, SHORTCUT, OLE))

#: Opcode of the protocol that follows.
_PROTO = 0x80
#: First bytes that mean a kind, whatever comes behind them.
_MAGIC = (
    (b"GGUF", "gguf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x93NUMPY", "npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"%PDF-", "pdf"),
    (b"\x7fELF", "native"),
    (b"MZ", "native"),
    (b"\xfe\xed\xfa\xce", "native"),
    (b"\xfe\xed\xfa\xcf", "native"),
    (b"\xce\xfa\xed\xfe", "native"),
    (b"\xcf\xfa\xed\xfe", "native"),
    (b"\xca\xfe\xba\xbe", "native"),
    (b"!<arch>\n", "native"),
    (b"\x00asm", "native"),
    (b"ftrt", "native"),
    (b"ptrt", "native"),
    # Android's, LLVM's and Lua's machine code.
    (b"dex\n", "native"),
    (b"BC\xc0\xde", "native"),
    (b"\x1bLua", "native"),
    (b"\x4c\0\0\0\x01\x14\x02\0", SHORTCUT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    *((bytes((_PROTO, protocol)), "pickle") for protocol in range(1, 6)),
)
#: The same with its offset, and those at other places.
_MAGIC_AT = (
    *((0, magic, kind) for magic, kind in _MAGIC),
    (257, b"ustar", "tar"),
    (4, b"TFL3", "tflite"),
    (4, b"ET12", "executorch"),
)
#: Of zlib: the method is deflate, and the two bytes are a multiple of 31 (RFC 1950 section 2.2).
_ZLIB_METHOD = 0x08
_PYC_FLAGS = tuple(flags.to_bytes(4, "little") for flags in (0, 1, 3))
#: What no text file has: control characters other than tab, line feed, form feed, carriage return.
_NO_TEXT = bytes(set(range(32)) - {9, 10, 12, 13}) + b"\x7f"


def content_of(source: Source) -> str:
    """The kind that the first bytes look like: one of the names above, `safetensors`, `zlib`,
    `text`, `empty` or `binary`."""
    head = source.read(0, HEAD_BYTES)
    if not head:
        return EMPTY
    if head[0] == _PROTO and _is_safetensors(head) and not looks_like_pickle(source):
        # A header of 640 bytes, for one, has a length that begins as pickles of protocol 2 do.
        return "safetensors"
    for offset, magic, kind in _MAGIC_AT:
        if head.startswith(magic, offset):
            return kind
    for is_it, kind in _FORMS:
        if is_it(head):
            return kind
    if looks_like_pickle(BytesSource(head)):
        return "pickle"
    if _is_text(head, is_whole=len(head) == source.size_bytes):
        return TEXT
    return "zlib" if _is_zlib(head) else BINARY


def _is_safetensors(head: bytes) -> bool:
    """A length below 2^40, which no text begins with, and the brace that has to follow."""
    return head[5:9] == b"\0\0\0{"


def _is_compiled(head: bytes) -> bool:
    """Python 3's number for its bytecode with CR LF behind it, and flags (PEP 552)."""
    number = int.from_bytes(head[:2], "little")
    return 3000 <= number < 4000 and head[2:4] == b"\r\n" and head[4:8] in _PYC_FLAGS


def _is_lzma(head: bytes) -> bool:
    """LZMA's older format, as Python writes it: it has no magic number, but few properties, sizes
    of the dictionary and of what is packed, and a byte that is always 0 (lzma-file-format.txt)."""
    if len(head) < 18 or head[0] != 0x5D or head[13]:
        return False
    dictionary, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    # 2^n or 2^n + 2^(n-1).
    is_round = dictionary >= 4096 and dictionary.bit_count() <= 2
    return is_round and (size == 2**64 - 1 or 0 < size < 2**40)


def _is_zlib(head: bytes) -> bool:
    return len(head) > 2 and head[0] & 0x0F == _ZLIB_METHOD and int.from_bytes(head[:2]) % 31 == 0


#: What is told by more than a magic number.
_FORMS = ((_is_safetensors, "safetensors"), (_is_compiled, COMPILED), (_is_lzma, "lzma"))


def _is_text(head: bytes, *, is_whole: bool) -> bool:
    if head.translate(None, _NO_TEXT) != head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut where the head ends.
        return not is_whole and error.start > len(head) - 4
    return True
