"""What one ONNX Runtime knows, measured: run by the Python it is installed for, prints JSON.

It needs that ONNX Runtime, numpy and nothing else: `triton_tables.py` runs it in many environments.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# Before the import, which otherwise starts it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import _pybind_state as state

#: Far above anything released: what is still accepted there has no limit.
_UNLIMITED = 60
#: An opset of the main domain that every version since 1.17 knows, for models about something else.
_PLAIN_OPSET = 13
_PLAIN_IR = 8
#: ONNX Runtime's own: a kernel without an end.
_NO_END = 2**31 - 1
#: Domains that have no schema in a version are unknown to it, but may be stated all the same.
_DOMAINS = frozenset(("ai.onnx.training", "ai.onnx.preview.training"))
#: Where a function body may stand in for a kernel.
_BODY_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
#: TensorProto.DataType of onnx.proto, in its order from 1.
_ELEMENTS = (
    *("float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16"),
    *("double", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn"),
    *("float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1"),
    *("float8e8m0", "uint2", "int2"),
)
_PLAIN_TYPES = (
    *("tensor(float)", "seq(tensor(float))"),
    *("tensor(int64)", "tensor(int32)", "tensor(uint8)"),
)
_UNKNOWN = "Could not find an implementation for "
_CAST = "InsertedPrecisionFreeCast_"


def main() -> None:
    silent = onnxruntime.SessionOptions()
    silent.log_severity_level = 4
    # Threads would not survive the forks below.
    silent.intra_op_num_threads = 1
    # Else a node can be gone before anybody asks for its kernel.
    silent.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if "--kernels" in sys.argv:
        found = {"version": onnxruntime.__version__, "kernels": kernels()}
    else:
        domains = sorted(_DOMAINS | {domain for domain, *_ in schemas()})
        limits = {each: opset_max(each, silent) for each in domains}
        found = {
            "version": onnxruntime.__version__,
            "ir_version_max": ir_version_max(silent),
            "opset_max": limits,
            "schemas": schemas(),
            "kernels": kernels(),
            "inlined": inlined(limits, silent),
        }
    json.dump(found, sys.stdout)


# --- Models of one node, as bytes -----------------------------------------------------------------


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def type_proto(text: str) -> bytes | None:
    """TypeProto of `seq(tensor(float))` and the like; None for a type not made here."""
    kind, _, inner = text.removesuffix(")").partition("(")
    if kind in ("tensor", "sparse_tensor") and inner in _ELEMENTS:
        return block(1 if kind == "tensor" else 8, number(1, _ELEMENTS.index(inner) + 1))
    if kind in ("seq", "optional"):
        element = type_proto(inner)
        return None if element is None else block(4 if kind == "seq" else 9, block(1, element))
    return None


#: tensor(float), of any shape.
_FLOATS = block(1, number(1, 1))


def model(
    op_type: str,
    domain: str,
    *,
    opsets: Mapping[str, int],
    ir_version: int = _PLAIN_IR,
    inputs: Sequence[tuple[str, bytes]] = (("x", _FLOATS),),
    outputs: int = 1,
    attributes: Iterable[bytes] = (),
) -> bytes:
    names = [f"y{n}" for n in range(outputs)]
    node = b"".join(block(1, name) for name, _ in inputs)
    node += b"".join(block(2, name) for name in names) + block(4, op_type) + block(7, domain)
    node += b"".join(block(5, each) for each in attributes)
    graph = block(1, node) + block(2, "probe")
    graph += b"".join(block(11, block(1, name) + block(2, kind)) for name, kind in inputs)
    graph += b"".join(block(12, block(1, name)) for name in names)
    imports = (block(1, name) + number(2, opset) for name, opset in opsets.items())
    return number(1, ir_version) + block(7, graph) + b"".join(block(8, each) for each in imports)


def refusal(data: bytes, options: Any) -> str:
    """Empty where it loads."""
    try:
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the binding raises a dozen kinds; each is an answer
        return str(error) or repr(error)
    return ""


def refusal_apart(data: bytes, options: Any) -> str | None:
    """The same by a process of its own; None where it died of it, as some versions do."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, refusal(data, options).encode()[:4000])
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return said.decode("utf-8", "replace") if status == 0 else None


# --- Limits ---------------------------------------------------------------------------------------


def highest(accepted: Sequence[bool]) -> int | None:
    """The last number from 1 that is accepted; None where none is refused."""
    last = max((n for n, each in enumerate(accepted, 1) if each), default=0)
    if last == len(accepted):
        return None
    first = min((n for n, each in enumerate(accepted, 1) if each), default=1)
    if not all(accepted[first - 1 : last]):
        raise SystemExit(f"expected one range of accepted numbers, found {accepted}")
    return last


def ir_version_max(options: Any) -> int | None:
    opsets = {"": _PLAIN_OPSET}
    tried = (
        refusal(model("Relu", "", opsets=opsets, ir_version=n), options)
        for n in range(3, _UNLIMITED)
    )
    return highest([True, True, *(not each for each in tried)])


def opset_max(domain: str, options: Any) -> int | None:
    tried = (
        refusal(model("Relu", "", opsets={"": _PLAIN_OPSET, domain: n}), options)
        for n in range(1, _UNLIMITED)
    )
    return highest([not each for each in tried])


# --- Tables ---------------------------------------------------------------------------------------


def domain_of(text: str) -> str:
    """ONNX writes its main domain in two ways."""
    return "" if text == "ai.onnx" else text


def schemas() -> list[tuple[str, str, int, bool]]:
    return sorted(
        (domain_of(each.domain), each.name, each.since_version, each.deprecated)
        for each in state.get_all_operator_schema()
    )


def kernels() -> list[tuple[str, str, str, int, int | None, dict[str, list[str]]]]:
    found = []
    for each in state.get_all_opkernel_def():
        start, end = each.version_range
        types = {name: sorted(kinds) for name, kinds in sorted(each.type_constraints.items())}
        place = (each.provider, domain_of(each.domain), each.op_name)
        found.append((*place, start, None if end == _NO_END else end, types))
    return sorted(found, key=repr)


# --- Function bodies ------------------------------------------------------------------------------


def inlined(
    limits: Mapping[str, int | None], options: Any
) -> list[tuple[str, str, int, bool | None]]:
    """Of each (domain, operator, opset) without a kernel: whether a node loads all the same, since
    the body of its function is put in its place. None where no probe tells.
    """
    rows = [row for row in kernels() if row[0] == "CPUExecutionProvider"]
    found = []
    for schema, until in counting(limits):
        domain = domain_of(schema.domain)
        mine = [row for row in rows if row[1:3] == (domain, schema.name)]
        if not schema.deprecated and not any(fits(row, schema) for row in mine):
            for opset in range(schema.since_version, until + 1):
                answer = loads(schema, domain, opset, options)
                found.append((domain, schema.name, opset, answer))
    return sorted(found, key=repr)


def counting(limits: Mapping[str, int | None]) -> Iterator[tuple[Any, int]]:
    """Schemas that a model can reach, with the last opset at which each counts."""
    known: dict[tuple[str, str], list[Any]] = {}
    for schema in state.get_all_operator_schema():
        if domain_of(schema.domain) in _BODY_DOMAINS:
            known.setdefault((domain_of(schema.domain), schema.name), []).append(schema)
    for (domain, _), versions in known.items():
        versions.sort(key=lambda each: each.since_version)
        limit = limits[domain] or versions[-1].since_version
        ends = [*(each.since_version - 1 for each in versions[1:]), limit]
        for schema, end in zip(versions, ends, strict=True):
            if schema.since_version <= limit:
                yield schema, min(end, limit)


def fits(row: Sequence[Any], schema: Any) -> bool:
    """As KernelRegistry of ONNX Runtime decides: a kernel without an end is for its start alone."""
    start, end = row[3], row[4]
    since = schema.since_version
    return bool(start == since or (end is not None and start <= since <= end))


def loads(schema: Any, domain: str, opset: int, options: Any) -> bool | None:
    opsets = {"": opset} if domain == "" else {"": _PLAIN_OPSET, domain: opset}
    inputs = plain_inputs(schema)
    if inputs is None:
        return None
    said = refusal_apart(
        model(
            schema.name,
            domain,
            opsets=opsets,
            inputs=inputs,
            outputs=max(schema.min_output, 1),
            attributes=list(attributes(schema)),
        ),
        options,
    )
    if said == "":
        return True
    # The second is of a cast that is put before a node which was left as it is.
    told = said is not None and any(each in said for each in (_UNKNOWN, _CAST))
    return False if told else None


def plain_inputs(schema: Any) -> list[tuple[str, bytes]] | None:
    """As few as it takes, of plain types; None where one is of a type that is not made here."""
    chosen = {
        each.type_param_str: next(
            (kind for kind in _PLAIN_TYPES if kind in each.allowed_type_strs),
            each.allowed_type_strs[0],
        )
        for each in schema.type_constraints
    }
    count = max(schema.min_input, sum(each.option.name == "Single" for each in schema.inputs))
    needed = schema.inputs[:count]
    kinds = [type_proto(chosen.get(each.typeStr, each.typeStr)) for each in needed]
    made = [(f"x{n}", kind) for n, kind in enumerate(kinds) if kind is not None]
    return made if len(made) == len(kinds) else None


def attributes(schema: Any) -> Iterator[bytes]:
    """The required ones, with a plain value each."""
    #: By AttributeProto.AttributeType: its number, and the field with a value.
    tensor = number(1, 1) + number(2, 1) + block(4, b"\0\0\x80?")
    ends = (block(at, block(1, name) + block(2, _FLOATS)) for at, name in ((11, "i"), (12, "o")))
    same = block(1, "i") + block(2, "o") + block(4, "Identity")
    graph = block(1, same) + block(2, "body") + b"".join(ends)
    plain = {
        "FLOAT": (1, varint(2 << 3 | 5) + b"\0\0\x80?"),
        "INT": (2, number(3, 1)),
        "STRING": (3, block(4, "a")),
        "TENSOR": (4, block(5, tensor)),
        "GRAPH": (5, block(6, graph)),
        "FLOATS": (6, block(7, b"\0\0\x80?")),
        "INTS": (7, number(8, 1)),
        "STRINGS": (8, block(9, "a")),
    }
    for name, each in sorted(schema.attributes.items()):
        if each.required and each.type.name in plain:
            code, value = plain[each.type.name]
            yield block(1, name) + value + number(20, code)
    if schema.name == "Constant":
        yield block(1, "value") + plain["TENSOR"][1] + number(20, 4)


if __name__ == "__main__":
    main()
