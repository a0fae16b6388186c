"""NumPy's arrays, and what is wrong with them."""

from __future__ import annotations

from registry.testing.vectors import Vector
from registry.testing.vectors.zip_container import Part, zip_file

#: Names what it would call, as any payload here.
_PICKLE = b"\x80\x04cos\nsystem\nX\x02\0\0\0id\x85R."


def npy(
    descr: str = "'<f4'",
    shape: str = "(2, 3)",
    data: bytes = bytes(24),
    *,
    header: bytes | None = None,
    version: tuple[int, int] = (1, 0),
    length: int | None = None,
) -> bytes:
    """An array whose header holds these literals, or this header as it is."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    whole = text.ljust(117) + b"\n" if header is None else header
    width = 2 if version[0] == 1 else 4
    size = len(whole) if length is None else length
    return b"\x93NUMPY" + bytes(version) + size.to_bytes(width, "little") + whole + data


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="array.npy", data=data)


def _bad(name: str, rule: str, data: bytes) -> Vector:
    return Vector(name=name, path="array.npy", data=data, rule=f"NPY-{rule}")


def _npz(name: str, rule: str, *parts: Part) -> Vector:
    return Vector(name=name, path="arrays.npz", data=zip_file(*parts), rule=rule)


_RECORD = (
    "[('a', '<i4'), ('b', '<f8', (2, 2)), ('', '|V4'), ('c', [('d', '|S3')]), (('t', 'e'), '|b1')]"
)
_DEEP = b"{'descr': " + b"[" * 5000 + b"]" * 5000 + b", 'fortran_order': False, 'shape': (), }\n"

VECTORS = (
    _sound("floats", npy()),
    _sound("version-2", npy(version=(2, 0))),
    _sound("version-3", npy("[('\u00e9', '<f4')]", version=(3, 0))),
    _sound("scalar", npy("'>c16'", "()", bytes(16))),
    _sound("empty", npy("'<i8'", "(0, 7)", b"")),
    _sound("python-2-shape", npy("'|u1'", "(3L,)", bytes(3))),
    _sound("times", npy("'<M8[25us]'", "(2,)", bytes(16))),
    _sound("texts", npy("'<U2'", "(2,)", bytes(16))),
    _sound("record", npy(_RECORD, "(1,)", bytes(44))),
    _sound(
        "other-order",
        npy(header=b"{'shape':(4,),'fortran_order':True,'descr':'<f2'}\n", data=bytes(8)),
    ),
    _bad("version-4", "1", npy(version=(4, 0))),
    _bad("magic-alone", "1", b"\x93NUMPY\1\0"),
    _bad("header-longer-than-file", "1", npy(length=60000)),
    _bad("header-too-long", "1", npy(header=b" " * 70000, version=(2, 0))),
    _bad("no-line-feed", "2", npy(header=b"{'descr': '<f4', 'fortran_order': False, 'shape': ()}")),
    _bad("call", "2", npy("__import__('os').system('id')")),
    _bad("expression", "2", npy(shape="(2*3,)")),
    _bad("deep", "2", npy(header=_DEEP)),
    _bad("escape", "2", npy("'\\x7cO'")),
    _bad("key-twice", "2", npy(header=b"{'descr': '<f4', 'descr': '|O'}\n")),
    _bad("key-missing", "2", npy(header=b"{'descr': '<f4', 'shape': ()}\n")),
    _bad("key-more", "2", npy(shape="(), 'hook': 'x'", data=bytes(4))),
    _bad("second-dict", "2", npy(shape="()} {", data=bytes(4))),
    _bad("comment", "2", npy(shape="(6,) #")),
    _bad("order-number", "2", npy(header=b"{'descr': '<f4', 'fortran_order': 1, 'shape': ()}\n")),
    _bad("not-utf-8", "2", npy(header=b"{'\xff': 1}\n", version=(3, 0))),
    _bad("objects", "3", npy("'|O'", "(1,)", _PICKLE)),
    _bad("objects-with-size", "3", npy("'|O8'", "(1,)", bytes(8))),
    _bad("objects-in-record", "3", npy("[('a', '<i4'), ('b', [('c', '|O')])]", "(1,)", bytes(12))),
    _bad("dtype-list-in-text", "3", npy("'i4,O'", "(1,)", bytes(12))),
    _bad("dtype-name", "3", npy("'object'", "(1,)", bytes(8))),
    _bad("string-dtype", "3", npy("'StringDType()'", "(1,)", bytes(16))),
    _bad("native-order", "3", npy("'|i4'", "(1,)", bytes(4))),
    _bad("field-twice", "3", npy("[('a', '|u1'), ('a', '|u1')]", "(1,)", bytes(2))),
    _bad("no-fields", "3", npy("[]", "(1,)", b"")),
    _bad("overflowing-subarray", "3", npy(f"[('a', '<f8', ({2**40}, {2**40}))]", "(0,)", b"")),
    _bad("shape-list", "4", npy(shape="[2, 3]")),
    _bad("shape-boolean", "4", npy(shape="(True,)", data=bytes(4))),
    _bad("shape-text", "4", npy(shape="('6',)")),
    _bad("overflowing-shape", "4", npy("'|u1'", f"({2**62}, 4)", b"")),
    _bad("overflow-hidden-by-zero", "4", npy("'|u1'", f"({2**62}, 4, 0)", b"")),
    _bad("trailing-pickle", "5", npy(data=bytes(24) + _PICKLE)),
    _bad("two-arrays", "5", npy() + npy()),
    _bad("cut", "5", npy(data=bytes(20))),
    _npz("arrays", "", Part(name=b"a.npy", data=npy()), Part(name=b"l:0/b.npy", data=npy())),
    _npz("deflated", "", Part(name=b"a.npy", data=npy(), is_deflated=True)),
    _npz("objects", "NPY-3", Part(name=b"a.npy", data=npy("'|O'", "(1,)", _PICKLE))),
    _npz("other-name", "NPZ-1", Part(name=b"a.npy", data=npy()), Part(name=b"x", data=npy())),
    _npz("pickle-in-zip", "NPZ-1", Part(name=b"archive/data.pkl", data=_PICKLE)),
    _npz("pickle-named-array", "FILE-1", Part(name=b"a.npy", data=_PICKLE)),
)
