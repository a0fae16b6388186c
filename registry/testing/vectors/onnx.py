"""ONNX files, and what is wrong with them. Field numbers are those of onnx.proto."""

from __future__ import annotations

from collections.abc import Mapping

from registry.testing.vectors import Vector

FLOAT, INT64, STRING, COMPLEX64, BFLOAT16, UINT4 = 1, 7, 8, 14, 16, 21


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def field(number: int, value: int | bytes | str) -> bytes:
    """A varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(op_type: str, domain: str = "", *attributes: bytes) -> bytes:
    inner = field(1, "x") + field(2, "y") + field(4, op_type)
    inner += b"".join(field(5, attribute) for attribute in attributes)
    return inner + (field(7, domain) if domain else b"")


def value_info(name: str, dtype: int = FLOAT) -> bytes:
    shape = field(1, field(2, "batch")) + field(1, field(1, 4))
    return field(1, name) + field(2, field(1, field(1, dtype) + field(2, shape)))


def graph(*parts: bytes) -> bytes:
    return b"".join(parts) + field(2, "g") + field(11, value_info("x")) + field(12, value_info("y"))


def model(graph: bytes, *more: bytes, ir_version: int = 9) -> bytes:
    opset = field(2, 20)
    return field(1, ir_version) + field(8, opset) + b"".join(more) + field(7, graph)


def tensor(dtype: int, dims: list[int], *data: bytes, name: str = "w") -> bytes:
    shape = b"".join(field(1, axis) for axis in dims)
    return shape + field(2, dtype) + field(8, name) + b"".join(data)


def external(**entries: str) -> bytes:
    pairs = (field(1, key) + field(2, value) for key, value in entries.items())
    return b"".join(field(13, pair) for pair in pairs) + field(14, 1)


def with_tensor(*tensors: bytes) -> bytes:
    return model(graph(field(1, node("Add")), *(field(5, each) for each in tensors)))


def _sound(name: str, data: bytes, files: Mapping[str, int] | None = None) -> Vector:
    return Vector(name=name, path="model.onnx", data=data, files=files or {})


def _bad(name: str, rule: int, data: bytes, *, fails: bool = True) -> Vector:
    files = {"w.bin": 64, "sub/v.bin": 64, "/etc/passwd": 4096, "C:w.bin": 64, "*/memory": 64}
    return Vector(
        name=name, path="model.onnx", data=data, rule=f"ONNX-{rule}", fails=fails, files=files
    )


def _located(name: str, location: str) -> Vector:
    data = with_tensor(tensor(FLOAT, [4], external(location=location)))
    return _bad(f"location-{name}", 9, data)


_PLAIN = model(graph(field(1, node("Relu"))))
_W = tensor(FLOAT, [2, 2], field(9, bytes(16)))
_FUNCTION = field(25, field(1, "F") + field(7, node("Relu")) + field(10, "acme"))
_INDICES = tensor(INT64, [2], field(9, bytes(16)))
_SPARSE = field(1, tensor(FLOAT, [2], field(9, bytes(8)))) + field(3, 9)
_BRANCH = field(1, "then") + field(6, graph(field(1, node("Relu")))) + field(20, 5)


def _function(name: str, *calls: str) -> bytes:
    nodes = b"".join(field(7, node(each, "acme" if each[0] == "f" else "")) for each in calls)
    return field(25, field(1, name) + nodes + field(10, "acme"))


def _unfolding(levels: int) -> bytes:
    functions = [_function(f"f{each}", *2 * [f"f{each + 1}"]) for each in range(levels)]
    functions.append(_function(f"f{levels}", "Relu"))
    return model(graph(field(1, node("f0", "acme"))), *functions)


def _nested(depth: int) -> bytes:
    inner = graph(field(1, node("Relu")))
    for _ in range(depth):
        inner = graph(field(1, node("If", "", field(1, "then") + field(6, inner))))
    return model(inner)


VECTORS = (
    _sound("plain", _PLAIN),
    _sound("initializers", with_tensor(_W, tensor(UINT4, [3], field(9, bytes(2)), name="v"))),
    _sound("typed-fields", with_tensor(tensor(INT64, [3], field(7, bytes((1, 2, 0xFF, 1)))))),
    _sound("unpacked", with_tensor(tensor(INT64, [2], field(7, 1), field(7, -1)))),
    _sound("texts", with_tensor(tensor(STRING, [2], field(6, "a"), field(6, b"\xff")))),
    _sound("complex", with_tensor(tensor(COMPLEX64, [2], field(4, bytes(16))))),
    _sound("no-elements", with_tensor(tensor(FLOAT, [0, 7]))),
    _sound("scalar", with_tensor(tensor(BFLOAT16, [], field(5, b"\x01")))),
    _sound("branch", model(graph(field(1, node("If", "", _BRANCH))))),
    _sound("own-function", model(graph(field(1, node("F", "acme"))), _FUNCTION)),
    _sound("microsoft", model(graph(field(1, node("FusedMatMul", "com.microsoft"))))),
    _sound("metadata", model(graph(field(1, node("Relu"))), field(14, field(1, "a")))),
    _sound("sparse", model(graph(field(1, node("Add")), field(15, _SPARSE + field(2, _INDICES))))),
    _sound(
        "external",
        with_tensor(tensor(FLOAT, [4], external(location="w.bin", offset="8", length="16"))),
        {"w.bin": 24},
    ),
    _sound(
        "external-below",
        with_tensor(tensor(FLOAT, [4], external(location="./data/w.bin"))),
        {"data/w.bin": 16},
    ),
    _bad("trailing-bytes", 1, _PLAIN + b"cos\nsystem\n(S'id'\ntR."),
    _bad("cut", 1, _PLAIN[:-3]),
    _bad("group", 1, _PLAIN + bytes((3 << 3 | 3, 3 << 3 | 4))),
    _bad("field-0", 1, _PLAIN + b"\x02\x00"),
    _bad("endless-number", 1, b"\x08" + b"\xff" * 11 + _PLAIN),
    _bad("padded-number", 1, b"\x08\x89\x00" + _PLAIN[2:]),
    _bad("length-beyond-parent", 1, field(1, 9) + varint(7 << 3 | 2) + varint(2**40) + b"\n"),
    _bad("two-graphs", 1, _PLAIN + field(7, graph())),
    _bad("other-wire-type", 1, model(graph(field(1, node("Relu"))), field(6, 1))),
    _bad("deep", 1, _nested(40)),
    _bad("bits-short-of-a-number", 1, with_tensor(tensor(FLOAT, [1], field(4, b"123")))),
    _bad("operator-no-utf-8", 1, model(graph(field(1, field(4, b"\xff"))))),
    _bad("unknown-field", 2, _PLAIN + field(99, b"payload"), fails=False),
    _bad("no-version", 3, _PLAIN[2:]),
    _bad("newer-version", 3, model(graph(field(1, node("Relu"))), ir_version=999), fails=False),
    _bad("no-opset", 3, field(1, 9) + field(7, graph(field(1, node("Relu"))))),
    _bad("opset-0", 3, model(graph(field(1, node("Relu"))), field(8, field(1, "a")))),
    _bad("no-graph", 4, _PLAIN[:6]),
    _bad("no-outputs", 4, model(field(2, "g"))),
    _bad("unknown-dtype", 5, with_tensor(tensor(99, [1], field(9, b".")))),
    _bad("negative-axis", 5, with_tensor(tensor(FLOAT, [-2, -2], field(9, bytes(16))))),
    _bad("overflowing-dims", 5, with_tensor(tensor(FLOAT, [2**62, 4, 4], field(9, b"")))),
    _bad("many-dims", 5, with_tensor(tensor(FLOAT, [1] * 65, field(9, bytes(4))))),
    _bad("no-data", 6, with_tensor(tensor(FLOAT, [2]))),
    _bad("data-twice", 6, with_tensor(tensor(FLOAT, [1], field(9, bytes(4)), field(4, bytes(4))))),
    _bad("data-of-another-type", 6, with_tensor(tensor(FLOAT, [1], field(7, b"\x01")))),
    _bad("raw-texts", 6, with_tensor(tensor(STRING, [1], field(9, b"a")))),
    _bad("external-texts", 6, with_tensor(tensor(STRING, [1], external(location="w.bin")))),
    _bad(
        "external-and-inline",
        6,
        with_tensor(tensor(FLOAT, [1], field(9, bytes(4)), external(location="w.bin"))),
    ),
    _bad("segment", 6, with_tensor(_W + field(3, field(1, 0))), fails=False),
    _bad("too-few-bytes", 7, with_tensor(tensor(FLOAT, [2, 2], field(9, bytes(12))))),
    _bad("too-many-bytes", 7, with_tensor(tensor(FLOAT, [2, 2], field(9, bytes(4096))))),
    _bad("half-the-nibbles", 7, with_tensor(tensor(UINT4, [5], field(9, bytes(2))))),
    _bad("too-few-numbers", 7, with_tensor(tensor(INT64, [3], field(7, b"\x81\x01\x01")))),
    _bad(
        "external-length",
        7,
        with_tensor(tensor(FLOAT, [4], external(location="w.bin", length="64"))),
    ),
    _bad("sparse-without-indices", 8, model(graph(field(1, node("Add")), field(15, _SPARSE)))),
    _bad(
        "sparse-indices-beside-values",
        8,
        model(
            graph(
                field(1, node("Add")),
                field(15, _SPARSE + field(2, tensor(INT64, [1], field(9, bytes(8))))),
            )
        ),
    ),
    _located("parent", "../w.bin"),
    _located("inner-parent", "sub/../../w.bin"),
    _located("absolute", "/etc/passwd"),
    _located("backslash", "..\\w.bin"),
    _located("drive", "C:w.bin"),
    _located("scheme", "file:///etc/passwd"),
    _located("memory", "*/_ORT_MEM_ADDR_/*"),
    _located("nul", "w.bin\0.txt"),
    _located("doubled-slash", "sub//v.bin"),
    _located("folder", "sub/"),
    _located("empty", ""),
    _located("home", "~/w.bin"),
    _located("trailing-dot", "w.bin."),
    _bad("unknown-key", 9, with_tensor(tensor(FLOAT, [4], external(location="w.bin", loader="x")))),
    _bad(
        "key-twice",
        9,
        with_tensor(
            tensor(FLOAT, [4], external(location="w.bin"), external(location="../v.bin")[:-2])
        ),
    ),
    _bad(
        "basepath",
        9,
        with_tensor(tensor(FLOAT, [4], external(location="w.bin", basepath="/etc"))),
    ),
    _bad(
        "negative-offset",
        9,
        with_tensor(tensor(FLOAT, [4], external(location="w.bin", offset="-8"))),
    ),
    _bad(
        "external-unused-but-bad",
        9,
        with_tensor(_W + field(13, field(1, "location") + field(2, "/etc/passwd"))),
    ),
    _bad("external-absent", 10, with_tensor(tensor(FLOAT, [4], external(location="x.bin")))),
    _bad(
        "external-beyond-the-end",
        10,
        with_tensor(tensor(FLOAT, [4], external(location="w.bin", offset="56"))),
    ),
    _bad(
        "external-overflow",
        10,
        with_tensor(tensor(FLOAT, [4], external(location="w.bin", offset=str(2**63 - 8)))),
    ),
    _bad("foreign-domain", 11, model(graph(field(1, node("Shell", "ai.onnx.contrib"))))),
    _bad("extensions", 11, model(graph(field(1, node("Regex", "com.microsoft.extensions"))))),
    _bad("like-a-standard-domain", 11, model(graph(field(1, node("Relu", "com.microsoftx"))))),
    _bad(
        "foreign-in-branch",
        11,
        model(
            graph(
                field(
                    1,
                    node("If", "", field(1, "then") + field(6, graph(field(1, node("X", "acme"))))),
                )
            )
        ),
    ),
    _bad(
        "foreign-in-function",
        11,
        model(
            graph(field(1, node("F", "acme"))),
            field(25, field(1, "F") + field(7, node("G", "acme")) + field(10, "acme")),
        ),
    ),
    _bad("engine", 11, model(graph(field(1, node("EPContext", "com.microsoft"))))),
    _bad("python", 11, model(graph(field(1, node("PythonOp", "com.microsoft"))))),
    _sound("functions-of-functions", _unfolding(8)),
    _bad("function-of-itself", 13, model(graph(field(1, node("Relu"))), _function("f", "f"))),
    _bad(
        "functions-in-a-circle",
        13,
        model(graph(field(1, node("f", "acme"))), _function("f", "fg"), _function("fg", "f")),
    ),
    _bad("unfolding", 13, _unfolding(40)),
    _bad("hidden-axis", 5, with_tensor(tensor(FLOAT, [0, 2**62, 2**62]))),
    _bad("no-such-operator", 12, model(graph(field(1, node("RunShell"))))),
    _bad("newer-operator", 12, model(graph(field(1, node("New", "com.microsoft")))), fails=False),
)
