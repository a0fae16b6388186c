"""zip files, and what is wrong with them. `zip_file` writes any of them, field by field."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from registry.formats import zip_records as records
from registry.testing.vectors import Vector
from registry.testing.vectors.safetensors import safetensors, tensor

TENSORS = safetensors({"a": tensor("F32", [2, 3], 0, 24)}, bytes(24))
#: What its fields are when nobody says otherwise.
_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One member. `both`, `local` and `central` overwrite fields of its headers by name."""

    name: bytes = b"a.safetensors"
    data: bytes = TENSORS
    #: What is stored in place of `data`.
    packed: bytes | None = None
    is_deflated: bool = False
    both: Mapping[str, int] = field(default_factory=dict)
    local: Mapping[str, int] = field(default_factory=dict)
    central: Mapping[str, int] = field(default_factory=dict)
    local_name: bytes | None = None
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    #: What follows its data: a data descriptor, or what is none.
    behind: bytes = b""

    def bytes_packed(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.is_deflated else self.data

    def fields(self) -> dict[str, int]:
        return {
            "version": 20,
            "flags": 0,
            "method": records.DEFLATED if self.is_deflated else records.STORED,
            "crc32": zlib.crc32(self.data),
            "packed": len(self.bytes_packed()),
            "size": len(self.data),
        } | dict(self.both)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def extra(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(data).to_bytes(2, "little") + data


def described(part: Part, *, magic: bytes = records.DESCRIPTOR_MAGIC, width: int = 4) -> Part:
    """With a data descriptor, and zeros in its local header."""
    said = part.fields()
    behind = magic + said["crc32"].to_bytes(4, "little")
    behind += b"".join(said[key].to_bytes(width, "little") for key in ("packed", "size"))
    return replace(
        part,
        both={**part.both, "flags": said["flags"] | records.FLAG_DESCRIPTOR},
        local={**part.local, "crc32": 0, "packed": 0, "size": 0},
        behind=behind,
    )


def zip_file(
    *parts: Part,
    before: bytes = b"",
    gap: bytes = b"",
    behind: bytes = b"",
    end: Mapping[str, int] = _NOTHING,
    comment: bytes = b"",
    is_zip64: bool = False,
    wide: Mapping[str, int] = _NOTHING,
    directory_behind: bytes = b"",
    repeated: Sequence[int] = (),
) -> bytes:
    """A zip of these. `gap` lies before the directory; `end` and `wide` overwrite fields of the two
    end records; `repeated` parts stand in the directory twice."""
    data, places = bytearray(before), []
    for part in parts:
        places.append(len(data))
        said = part.fields() | dict(part.local)
        name = part.name if part.local_name is None else part.local_name
        # fmt: off
        data += records.LOCAL.pack(
            records.LOCAL_MAGIC, said["version"], said["flags"], said["method"], 0, 0x21,
            said["crc32"], said["packed"], said["size"], len(name), len(part.local_extra))
        # fmt: on
        data += name + part.local_extra + part.bytes_packed() + part.behind
    data += gap
    directory = b"".join(
        _central(parts[number], places[number]) for number in (*range(len(parts)), *repeated)
    )
    directory += directory_behind
    known = {"count": len(parts) + len(repeated), "size": len(directory), "at": len(data)}
    data += directory
    if is_zip64:
        said = {**known, "disk": 0, "length": 44, "place": len(data)} | dict(wide)
        # fmt: off
        data += records.END64.pack(
            records.END64_MAGIC, said["length"], 45, 45, said["disk"], 0, said["count"],
            said["count"], said["size"], said["at"])
        # fmt: on
        data += records.LOCATOR.pack(records.LOCATOR_MAGIC, 0, said["place"], 1)
    said = {**known, "disk": 0, "comment": len(comment)} | dict(end)
    # fmt: off
    data += records.END.pack(
        records.END_MAGIC, said["disk"], 0, said["count"], said["count"], said["size"], said["at"],
        said["comment"])
    # fmt: on
    return bytes(data + comment + behind)


def _central(part: Part, place: int) -> bytes:
    said = {**part.fields(), "at": place, "disk": 0, "internal": 0, "external": 0o600 << 16}
    said |= dict(part.central)
    # fmt: off
    return records.CENTRAL.pack(
        records.CENTRAL_MAGIC, 0x0314, said["version"], said["flags"], said["method"], 0, 0x21,
        said["crc32"], said["packed"], said["size"], len(part.name), len(part.central_extra),
        len(part.comment), said["disk"], said["internal"], said["external"], said["at"],
    ) + part.name + part.central_extra + part.comment
    # fmt: on


A = Part()
B = Part(name=b"b/c.safetensors", data=safetensors({}))
D = Part(name=b"d.safetensors", is_deflated=True)
_LONG = 0xFFFFFFFF
_SIZES = len(TENSORS).to_bytes(8, "little")
_FOLDER = Part(name=b"b/", data=b"", central={"external": 0o40755 << 16 | 0x10})


def named(*names: bytes) -> bytes:
    return zip_file(*(Part(name=name) for name in names))


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="models.zip", data=data)


def _bad(name: str, rule: str, data: bytes) -> Vector:
    return Vector(name=name, path="models.zip", data=data, rule=f"ZIP-{rule}")


_OTHER_EXTRA = extra(
    0x7075, b"\x01" + zlib.crc32(b"a.safetensors").to_bytes(4, "little") + b"a.pkl"
)
_SAME_EXTRA = _OTHER_EXTRA[:2] + b"\x12\0" + _OTHER_EXTRA[4:9] + b"a.safetensors"

VECTORS = (
    _sound("stored-and-deflated", zip_file(A, B, D)),
    _sound("empty", zip_file()),
    _sound("folder", zip_file(A, _FOLDER, B)),
    _sound("no-bytes-but-a-folder", zip_file(_FOLDER)),
    _sound("zip64-end", zip_file(A, B, is_zip64=True)),
    _sound("zip64-end-all-ones", zip_file(A, is_zip64=True, end={"count": 0xFFFF, "at": _LONG})),
    _sound("descriptor", zip_file(described(A), described(D))),
    _sound("descriptor-without-magic", zip_file(described(A, magic=b""), B)),
    _sound("descriptor-of-8-bytes", zip_file(described(A, width=8), described(D, width=8))),
    _sound(
        "zip64-local-header",
        zip_file(Part(local={"packed": _LONG, "size": _LONG}, local_extra=extra(1, _SIZES * 2)), B),
    ),
    _sound(
        "zip64-central-header",
        zip_file(
            Part(central={"packed": _LONG, "size": _LONG}, central_extra=extra(1, _SIZES * 2))
        ),
    ),
    _sound("torch-padding", zip_file(Part(local_extra=extra(0x4246, b"Z" * 50)), B)),
    _sound("times", zip_file(Part(local_extra=extra(0x5455, b"\3" + bytes(8))), B)),
    _sound("utf-8", zip_file(Part(name="é.safetensors".encode(), both={"flags": 0x800}))),
    _sound("same-unicode-path", zip_file(Part(central_extra=_SAME_EXTRA))),
    _bad("comment", "1", zip_file(A, comment=b"hello")),
    _bad("trailing-bytes", "1", zip_file(A, behind=b"\x80\x02.")),
    _bad("second-end-record", "2", zip_file(A, behind=zip_file())),
    _bad("second-zip", "2", zip_file(A, behind=zip_file(B))),
    _bad("two-disks", "1", zip_file(A, end={"disk": 1})),
    _bad("cut", "1", zip_file(A, B)[:-1]),
    _bad("only-the-beginning", "1", b"PK\x03\x04"),
    _bad("zip64-says-otherwise", "1", zip_file(A, is_zip64=True, end={"count": 2})),
    _bad("zip64-record-elsewhere", "1", zip_file(A, is_zip64=True, wide={"place": 0})),
    _bad("zip64-record-with-more", "1", zip_file(A, is_zip64=True, wide={"length": 60})),
    _bad("prefixed-offsets", "2", zip_file(A, end={"at": 0})),
    _bad("too-few-counted", "2", zip_file(A, B, end={"count": 1})),
    _bad("too-many-counted", "2", zip_file(A, B, end={"count": 3})),
    _bad("traversal", "3", named(b"../../etc/x.safetensors")),
    _bad("traversal-within", "3", named(b"a/../x.safetensors")),
    _bad("absolute", "3", named(b"/etc/x.safetensors")),
    _bad("backslash", "3", named(b"..\\x.safetensors")),
    _bad("drive", "3", named(b"C:x.safetensors")),
    _bad("nul", "3", named(b"a.pkl\0.safetensors")),
    _bad("device", "3", named(b"nul.safetensors")),
    _bad("name-twice", "3", named(b"a.safetensors", b"a.safetensors")),
    _bad("case-collision", "3", named(b"a.safetensors", b"A.safetensors")),
    _bad("folder-case-collision", "3", named(b"a/a.safetensors", b"A/b.safetensors")),
    _bad("file-and-folder", "3", named(b"a.safetensors", b"a.safetensors/b.safetensors")),
    _bad("folder-twice", "3", zip_file(_FOLDER, _FOLDER)),
    _bad("folder-named-as-file", "3", zip_file(A, replace(_FOLDER, name=b"a.safetensors/"))),
    _bad("no-utf-8-flag", "3", named("é.safetensors".encode())),
    _bad("not-utf-8", "3", zip_file(Part(name=b"\xff.safetensors", both={"flags": 0x800}))),
    _bad("other-unicode-path", "3", zip_file(Part(central_extra=_OTHER_EXTRA))),
    _bad("other-local-name", "4", zip_file(Part(local_name=b"b.safetensors"))),
    _bad("longer-local-name", "4", zip_file(Part(local_name=b"a.safetensors.pkl"))),
    _bad("other-local-crc", "4", zip_file(Part(local={"crc32": 1}))),
    _bad("other-local-size", "4", zip_file(Part(local={"size": 1}))),
    _bad("other-local-packed-size", "4", zip_file(Part(local={"packed": 1}))),
    _bad("other-local-method", "4", zip_file(Part(local={"method": 8}))),
    _bad("other-local-flags", "4", zip_file(Part(local={"flags": 0x800}))),
    _bad("encrypted-locally", "4", zip_file(Part(local={"flags": 1}))),
    _bad("zeros-without-descriptor", "4", zip_file(Part(local={"size": 0, "packed": 0}))),
    _bad("other-descriptor", "4", zip_file(replace(described(A), behind=bytes(16)))),
    _bad("no-descriptor", "4", zip_file(replace(described(A), behind=b""))),
    _bad(
        "other-zip64-local-header",
        "4",
        zip_file(Part(local={"packed": _LONG, "size": _LONG}, local_extra=extra(1, bytes(16)))),
    ),
    _bad("encrypted", "5", zip_file(Part(both={"flags": 1}))),
    _bad("patched-data-flag", "5", zip_file(Part(both={"flags": 0x20}))),
    _bad("strong-encryption-flag", "5", zip_file(Part(both={"flags": 0x40}))),
    _bad("masked-headers-flag", "5", zip_file(Part(both={"flags": 0x2000}))),
    _bad("bzip2", "5", zip_file(Part(both={"method": 12}))),
    _bad("aes", "5", zip_file(Part(both={"method": 99}))),
    _bad("version-of-aes", "5", zip_file(Part(both={"version": 51}))),
    _bad("gap-before-directory", "6", zip_file(A, gap=b"cos\nsystem\n.")),
    _bad("unlisted-member", "6", zip_file(A, gap=zip_file(B)[:60])),
    _bad("gap-between", "6", zip_file(Part(behind=b"x"), B)),
    _bad("long-gap-for-a-descriptor", "6", zip_file(replace(described(A), behind=bytes(64)))),
    _bad("overlap", "6", zip_file(A, replace(B, central={"at": 0}))),
    _bad("shared-bytes", "6", zip_file(A, Part(name=b"b.safetensors", central={"at": 0}))),
    _bad("reaches-the-directory", "6", zip_file(Part(both={"packed": 9999, "size": 9999}))),
    _bad("first-not-at-0", "6", zip_file(A, B, before=b"PK\3\4" + bytes(26))),
    _bad("other-crc", "7", zip_file(Part(both={"crc32": 1}))),
    _bad("other-deflated-crc", "7", zip_file(replace(D, both={"crc32": 1}))),
    _bad("stored-of-other-size", "7", zip_file(Part(both={"size": 4}))),
    _bad("deflated-of-more", "7", zip_file(replace(D, both={"size": 4}))),
    _bad("deflated-of-less", "7", zip_file(replace(D, both={"size": 4000}))),
    _bad("behind-the-stream", "7", zip_file(replace(D, packed=deflated(TENSORS) + b"x"))),
    _bad("broken-stream", "7", zip_file(replace(D, packed=deflated(TENSORS)[:-3] + b"\xff" * 3))),
    _bad("cut-stream", "7", zip_file(replace(D, packed=deflated(TENSORS)[:-3]))),
    _bad("unknown-extra-field", "8", zip_file(Part(central_extra=extra(0xCAFE, b"")))),
    _bad("unknown-local-extra-field", "8", zip_file(Part(local_extra=extra(0x9901, b"")))),
    _bad("payload-as-padding", "8", zip_file(Part(local_extra=extra(0x4246, b"cos\nsystem\n")))),
    _bad("extra-field-twice", "8", zip_file(Part(central_extra=extra(0x4246, b"") * 2))),
    _bad("bytes-behind-extra-field", "8", zip_file(Part(central_extra=b"\0"))),
    _bad("long-extra-field", "8", zip_file(Part(central_extra=b"FB\xff\xff"))),
    _bad("ones-without-zip64", "8", zip_file(Part(central={"size": _LONG}))),
    _bad("zip64-without-ones", "8", zip_file(Part(central_extra=extra(1, _SIZES)))),
    _bad("comment-on-member", "8", zip_file(Part(comment=b"hello"))),
    _bad("other-disk", "8", zip_file(Part(central={"disk": 1}))),
    _bad("no-central-header", "8", zip_file(A, directory_behind=bytes(60), end={"count": 2})),
    _bad("symbolic-link", "9", zip_file(Part(central={"external": 0o120777 << 16}))),
    _bad("device-file", "9", zip_file(Part(central={"external": 0o020777 << 16}))),
    _bad("reparse-point", "9", zip_file(Part(central={"external": 0x400}))),
    _bad("file-that-says-folder", "9", zip_file(Part(central={"external": 0x10}))),
    _bad("folder-with-bytes", "9", zip_file(Part(name=b"b/"))),
)
