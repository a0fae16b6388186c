"""tar files, and what is wrong with them. `header` writes any header, field by field."""

from __future__ import annotations

from registry.testing.vectors import Vector
from registry.testing.vectors.safetensors import safetensors

TENSORS = safetensors({})
END = bytes(1024)


def header(
    name: str | bytes = "a.safetensors",
    size: int | bytes = len(TENSORS),
    kind: bytes = b"0",
    *,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    mode: bytes = b"0000644\0",
    major: bytes = b"0000000\0",
    prefix: bytes = b"",
    rest: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    said = size if isinstance(size, bytes) else b"%011o\0" % size
    raw = name if isinstance(name, bytes) else name.encode()
    # fmt: off
    fields = (
        (raw, 100), (mode, 8), (b"0000000\0", 8), (b"0000000\0", 8), (said, 12),
        (b"00000000000\0", 12), (b" " * 8, 8), (kind, 1), (link, 100), (magic, 8), (b"root", 32),
        (b"root", 32), (major, 8), (b"0000000\0", 8), (prefix, 155), (rest, 12),
    )
    # fmt: on
    block = b"".join(data.ljust(length, b"\0") for data, length in fields)
    total = sum(block) if checksum is None else checksum
    return block[:148] + b"%06o\0 " % total + block[156:]


def padded(data: bytes, filler: bytes = b"\0") -> bytes:
    return data + filler * (-len(data) % 512)


def file(name: str | bytes = "a.safetensors", data: bytes = TENSORS) -> bytes:
    return header(name, len(data)) + padded(data)


def record(key: str, value: str) -> bytes:
    """Of pax: its own length in decimal, counted with."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def extension(kind: bytes, data: bytes, name: str = "pax") -> bytes:
    return header(name, len(data), kind) + padded(data)


def pax(**records: str) -> bytes:
    return extension(b"x", b"".join(record(key, value) for key, value in records.items()))


def gnu_long(name: str) -> bytes:
    return extension(b"L", name.encode() + b"\0", "././@LongLink")


_GNU = b"ustar  \0"
_LONG = "folder/" * 20 + "a.safetensors"
_FOLDER = header("b/", 0, b"5")


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="models.tar", data=data)


def _bad(name: str, rule: str, data: bytes) -> Vector:
    return Vector(name=name, path="models.tar", data=data, rule=f"TAR-{rule}")


def _linked(kind: bytes) -> bytes:
    return header("l.safetensors", 0, kind, link=b"/etc/passwd") + END


VECTORS = (
    _sound("two-files", file() + file("b/a.safetensors") + END),
    _sound("gnu", header(magic=_GNU) + padded(TENSORS) + END),
    _sound("old-kind", header(kind=b"\0") + padded(TENSORS) + END),
    _sound(
        "base-256-size",
        header(size=b"\x80" + bytes(10) + bytes([len(TENSORS)])) + padded(TENSORS) + END,
    ),
    _sound("folder-of-all", header("./", 0, b"5") + file("./a.safetensors") + _FOLDER + END),
    _sound("padded-to-a-record", (file() + END).ljust(10240, b"\0")),
    _sound("pax-name", pax(path=_LONG, mtime="1700000000.25") + file(_LONG[:100]) + END),
    _sound("pax-of-all", extension(b"g", record("comment", "0" * 40)) + file() + END),
    _sound("gnu-long-name", gnu_long(_LONG) + file(_LONG[:100]) + END),
    _sound("prefix", header(prefix=b"folder/folder") + padded(TENSORS) + END),
    _bad("wrong-checksum", "1", header(checksum=1) + padded(TENSORS) + END),
    _bad("hidden-bytes-behind-name", "1", header(b"a.safetensors\0x") + padded(TENSORS) + END),
    _bad("size-in-base-256-that-is-huge", "1", header(size=b"\x80" + b"\xff" * 11) + END),
    _bad("negative-size", "1", header(size=b"\xff" * 12) + END),
    _bad("size-in-decimal", "1", header(size=b"00000000009\0") + padded(TENSORS) + END),
    _bad("size-with-underscore", "1", header(size=b"0000000_12\0\0") + padded(TENSORS) + END),
    _bad("no-size", "1", header(size=b"") + END),
    _bad("odd-mode", "1", header(mode=b"rw-r--r-") + padded(TENSORS) + END),
    _bad("device-number", "1", header(major=b"0000010\0") + padded(TENSORS) + END),
    _bad("bytes-in-the-rest", "1", header(rest=b"x") + padded(TENSORS) + END),
    _bad("prefix-in-gnu", "1", header(magic=_GNU, prefix=b"x") + padded(TENSORS) + END),
    _bad("name-not-utf-8", "1", header(b"\xff.safetensors") + padded(TENSORS) + END),
    _bad("no-header", "1", file() + b"x" * 512 + END),
    _bad("pax-size-of-less", "2", pax(size="0") + file() + END),
    _bad("pax-size-of-more", "2", pax(size="512") + header(size=0) + padded(TENSORS) + END),
    _bad("pax-sparse", "2", pax(**{"GNU.sparse.major": "1"}) + file() + END),
    _bad("pax-link", "2", pax(linkpath="/etc/passwd") + file() + END),
    _bad("pax-name-twice", "2", extension(b"x", record("path", "a") * 2) + file() + END),
    _bad("pax-name-of-all", "2", extension(b"g", record("path", "a")) + file() + END),
    _bad("pax-wrong-length", "2", extension(b"x", b"99 path=a\n") + file() + END),
    _bad("pax-without-bytes", "2", extension(b"x", b"") + file() + END),
    _bad("pax-nul", "2", pax(path="a\0b") + file() + END),
    _bad("pax-beside-traversal", "2", pax(path="a.safetensors") + file("../a.safetensors") + END),
    _bad("two-extensions", "2", pax(path="a") + gnu_long("a.safetensors") + file() + END),
    _bad("extension-of-nothing", "2", file() + pax(path="a") + END),
    _bad("long-name-of-another", "2", gnu_long("b.safetensors") + file() + END),
    _bad("long-name-without-end", "2", extension(b"L", b"a", "././@LongLink") + file() + END),
    _bad("long-name-elsewhere", "2", extension(b"L", b"a.safetensors\0") + file() + END),
    _bad("symbolic-link", "3", _linked(b"2")),
    _bad("hard-link", "3", _linked(b"1")),
    _bad("device", "3", header("d.safetensors", 0, b"3") + END),
    _bad("pipe", "3", header("p.safetensors", 0, b"6") + END),
    _bad("sparse", "3", header(kind=b"S", magic=_GNU) + padded(TENSORS) + END),
    _bad("gnu-long-link", "3", header("././@LongLink", 0, b"K") + END),
    _bad("unknown-kind", "3", header(kind=b"Z") + padded(TENSORS) + END),
    _bad("file-that-links", "3", header(link=b"x") + padded(TENSORS) + END),
    _bad("folder-of-bytes", "3", header("b/", kind=b"5") + padded(TENSORS) + END),
    _bad("traversal", "4", file("../a.safetensors") + END),
    _bad("traversal-within", "4", file("./b/../../a.safetensors") + END),
    _bad("absolute", "4", file("/a.safetensors") + END),
    _bad("backslash", "4", file("..\\a.safetensors") + END),
    _bad("pax-traversal", "4", pax(path="../a.safetensors") + file() + END),
    _bad(
        "long-traversal",
        "4",
        gnu_long("a/../../a.safetensors") + file("a/../../a.safetensors") + END,
    ),
    _bad("prefix-traversal", "4", header(prefix=b"..") + padded(TENSORS) + END),
    _bad("name-twice", "4", file() + file() + END),
    _bad("name-twice-with-dot", "4", file() + file("./a.safetensors") + END),
    _bad("case-collision", "4", file() + file("A.safetensors") + END),
    _bad("file-under-file", "4", file() + file("a.safetensors/b.safetensors") + END),
    _bad("folder-named-as-file", "4", file() + header("a.safetensors/", 0, b"5") + END),
    _bad("empty-segment", "4", file("b//a.safetensors") + END),
    _bad("longer-than-file", "5", header(size=4096) + padded(TENSORS) + END),
    _bad("padded-with-bytes", "5", header() + padded(TENSORS, b"x") + END),
    _bad("one-block-of-zeros", "6", file() + bytes(512)),
    _bad("no-end", "6", file()),
    _bad("half-a-block", "6", file() + END + bytes(100)),
    _bad("file-behind-the-end", "6", file() + END + file("b.safetensors") + END),
    _bad("bytes-behind-the-end", "6", (file() + END).ljust(10239, b"\0") + b"x"),
)
