"""Files of skops: trees of nodes, and nodes that make more than values."""

from __future__ import annotations

import json
from collections.abc import Mapping

from registry.testing.vectors import Vector
from registry.testing.vectors.torch_archives import packed


def node(loader: str, kind: str, **parts: object) -> dict[str, object]:
    """Of a class by its full name."""
    module, _, name = kind.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": 1, **parts}


def text(content: str) -> dict[str, object]:
    return node("JsonNode", "builtins.str", content=content, is_json=True)


def several(*nodes: object) -> dict[str, object]:
    return node("ListNode", "builtins.list", content=list(nodes))


def mapping(**items: object) -> dict[str, object]:
    types = several(*[node("TypeNode", "builtins.str")] * len(items))
    return node("DictNode", "builtins.dict", content=items, key_types=types)


def skops(root: object, files: Mapping[str, bytes] | None = None) -> bytes:
    schema = root if isinstance(root, bytes) else json.dumps(root).encode()
    return packed({"schema.json": schema, **(files or {})})


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.skops", data=data)


def _bad(name: str, rule: int, data: bytes, *, fails: bool = True) -> Vector:
    return Vector(name=name, path="model.skops", data=data, rule=f"SKOPS-{rule}", fails=fails)


_SCALER = node(
    "ObjectNode", "sklearn.preprocessing._data.StandardScaler", content=mapping(copy=text("true"))
)
_BYTES = node("BytesNode", "builtins.bytes", file="a.bin")
_SLICE = {"start": 1, "stop": None, "step": 2}

VECTORS = (
    _sound("estimator", skops({**_SCALER, "protocol": 2, "_skops_version": "0.16.0"})),
    _sound(
        "pipeline",
        skops(
            node("ObjectNode", "sklearn.pipeline.Pipeline", content=mapping(steps=several(_SCALER)))
        ),
    ),
    _sound("values", skops(several(text("1.5"), text("null"), text('"x"'), text("NaN")))),
    _sound("slice", skops(node("SliceNode", "builtins.slice", content=_SLICE))),
    _sound("bytes", skops(_BYTES, {"a.bin": b"cos\nsystem\n)R."})),
    _sound(
        "objects",
        skops(
            node(
                "NdArrayNode",
                "numpy.ndarray",
                type="json",
                content=[text("1")],
                shape=several(text("1")),
            )
        ),
    ),
    _bad("no-json", 1, skops(b"{")),
    _bad("key-twice", 1, skops(b'{"__class__": "a", "__class__": "b"}')),
    _bad("list-at-the-top", 1, skops([])),
    _bad("no-loader", 1, skops({"__class__": "dict", "__module__": "builtins"})),
    _bad("further-part", 1, skops({**text("1"), "hook": "x"})),
    _bad("json-of-a-list", 1, skops(text("[1]"))),
    _bad(
        "slice-of-texts",
        1,
        skops(node("SliceNode", "builtins.slice", content={**_SLICE, "step": "x"})),
    ),
    _bad(
        "array-of-a-pickle",
        1,
        skops(node("NdArrayNode", "numpy.ndarray", type="numpy", file="a.pkl")),
    ),
    _bad("other-protocol", 1, skops({**_SCALER, "protocol": [1]})),
    _bad("function", 2, skops(node("FunctionNode", "os.system"))),
    _bad(
        "function-within",
        2,
        skops(
            node(
                "ObjectNode",
                "sklearn.pipeline.Pipeline",
                content=mapping(steps=node("FunctionNode", "os.system")),
            )
        ),
    ),
    _bad(
        "method",
        2,
        skops(node("MethodNode", "builtins.str", content={"func": "format", "obj": text("1")})),
    ),
    _bad("partial", 2, skops(node("PartialNode", "functools.partial", content={}))),
    _bad("operator", 2, skops(node("OperatorFuncNode", "operator.methodcaller", attrs=text("1")))),
    _bad(
        "reduce", 2, skops(node("ConstructorFromReduceNode", "builtins.getattr", content=several()))
    ),
    _bad(
        "object-of-another-class",
        2,
        skops(node("ObjectNode", "subprocess.Popen", content=mapping())),
    ),
    _bad(
        "class-of-scikit-learn-that-is-no-estimator",
        2,
        skops(node("ObjectNode", "sklearn.utils.Bunch")),
    ),
    _bad("type-that-is-called", 2, skops(node("TypeNode", "builtins.eval"))),
    _bad(
        "dict-of-another-class",
        2,
        skops(node("DictNode", "os.system", content={}, key_types=several())),
    ),
    _bad(
        "array-of-another-class",
        2,
        skops(node("NdArrayNode", "os.system", type="numpy", file="a.npy")),
    ),
    _bad("json-of-another-class", 2, skops({**text("1"), "__module__": "os"})),
    _bad("unknown-loader", 2, skops(node("NewNode", "builtins.str"))),
    _bad("tree", 3, skops(node("TreeNode", "sklearn.tree._tree.Tree")), fails=False),
    _bad("file-of-no-node", 4, skops(text("1"), {"a.pkl": b"cos\nsystem\n)R."})),
    _bad("file-not-there", 4, skops(_BYTES)),
    _bad("no-schema", 4, packed({"a.bin": b""})),
)
