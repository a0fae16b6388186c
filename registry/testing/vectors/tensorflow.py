"""TensorFlow's graphs, and what is wrong with them. Field numbers are those of its proto files."""

from __future__ import annotations

from collections.abc import Sequence

from registry.testing.vectors import Vector
from registry.testing.vectors.onnx import field


def calls(function: str) -> bytes:
    """An attribute that names a function."""
    return field(1, "f") + field(2, field(10, field(1, function)))


def node(name: str, op: str, inputs: Sequence[str] = (), attribute: bytes = b"") -> bytes:
    parts = [field(1, name), field(2, op), *(field(3, each) for each in inputs)]
    return b"".join(parts) + (field(5, attribute) if attribute else b"")


def function(name: str, nodes: Sequence[bytes], argument: str = "file_prefix") -> bytes:
    signature = field(1, name) + field(2, field(1, argument) + field(3, 7))
    return field(1, signature) + b"".join(field(3, each) for each in nodes)


def graph(nodes: Sequence[bytes], functions: Sequence[bytes] = ()) -> bytes:
    library = b"".join(field(1, each) for each in functions)
    return b"".join(field(1, each) for each in nodes) + field(2, library)


def saver(restore: str = "restore") -> bytes:
    return field(3, field(1, "filename:0") + field(2, "save:0") + field(3, restore))


def signature(output: str) -> bytes:
    info = field(1, "y") + field(2, field(1, output) + field(2, 1))
    return field(5, field(1, "serving_default") + field(2, field(2, info)))


def meta_graph(graph_def: bytes, *more: bytes) -> bytes:
    info = field(4, "serve") + field(5, "2.21.0")
    return field(1, info) + field(2, graph_def) + b"".join(more)


def saved_model(*meta_graphs: bytes, version: int = 1) -> bytes:
    return field(1, version) + b"".join(field(2, each) for each in meta_graphs)


def _computing(*operators: str) -> bytes:
    nodes = [
        node("x", "Placeholder"),
        *(node(f"n{i}", op, ["x"]) for i, op in enumerate(operators)),
    ]
    return saved_model(meta_graph(graph(nodes), signature("n0:0")))


_X = node("filename", "Placeholder")
_Y = node("y", "Relu", ["x"])
_SAVE = [
    node("name", "ShardedFilename", ["file_prefix", "shard:output:0"]),
    node("write", "SaveV2", ["name:filename:0", "names", "slices"]),
    node("merge", "MergeV2Checkpoints", ["name:filename:0", "file_prefix"]),
]
_RESTORE = [node("read", "RestoreV2", ["file_prefix", "names", "slices"])]
_SAVERS = [function("traced_save", _SAVE), function("traced_restore", _RESTORE)]
_CALLS = [
    _X,
    _Y,
    node("save", "StatefulPartitionedCall", ["filename"], calls("traced_save")),
    node("restore", "StatefulPartitionedCall", ["filename"], calls("traced_restore")),
]


def _saving(
    nodes: Sequence[bytes] = _CALLS,
    functions: Sequence[bytes] = _SAVERS,
    *more: bytes,
    output: str = "y:0",
    restore: str = "restore",
) -> bytes:
    parts = (saver(restore), signature(output), *more)
    return saved_model(meta_graph(graph(nodes, functions), *parts))


_FIRST = [
    node("path", "Const"),
    node("filename", "PlaceholderWithDefault", ["path"]),
    node("prefix", "StringJoin", ["filename", "path"]),
    node("write", "SaveV2", ["prefix", "names", "slices"]),
    node("save", "Identity", ["filename", "^write"]),
    node("read", "RestoreV2", ["filename", "names", "slices"]),
    node("assign", "AssignVariableOp", ["v", "read"]),
    node("restore", "NoOp", ["^assign"]),
    _Y,
]
_ASSET = field(6, field(1, field(1, "a:0")) + field(2, "vocab.txt"))


def _user_object(metadata: str) -> bytes:
    user = field(1, "_tf_keras_layer") + field(3, metadata)
    return field(7, field(1, field(4, user)))


def _keras(metadata: str) -> bytes:
    """A keras_metadata.pb of one layer."""
    return field(
        1, field(2, 1) + field(3, "root") + field(4, "_tf_keras_layer") + field(5, metadata)
    )


def _sound(name: str, data: bytes, path: str = "saved_model.pb") -> Vector:
    return Vector(name=name, path=path, data=data, files={"assets/vocab.txt": 8})


def _bad(
    name: str, rule: int, data: bytes, *, fails: bool = True, path: str = "saved_model.pb"
) -> Vector:
    files = {"assets/vocab.txt": 8}
    return Vector(
        name=name, path=path, data=data, rule=f"TENSORFLOW-{rule}", fails=fails, files=files
    )


_PLAIN = _computing("Relu", "MatMul")
_FROZEN = graph([node("x", "Placeholder"), node("y", "Relu", ["x"])])
_HANDLE = field(1, "value") + field(2, field(8, field(1, 20) + field(14, field(3, "v"))))
_MAIN_OP = field(1, "saved_model_main_op") + field(2, field(1, field(1, "save")))
_CONCRETE = field(7, field(2, field(1, "traced_save") + field(2, b"")))

VECTORS = (
    _sound("plain", _PLAIN),
    _sound(
        "own-function", _saving([*_CALLS, node("z", "f", ["x"])], [*_SAVERS, function("f", [])])
    ),
    _sound("saver-in-functions", _saving()),
    _sound("saver-in-graph", _saving(_FIRST, [])),
    _sound("asset", saved_model(meta_graph(graph([_Y]), _ASSET))),
    _sound("frozen", _FROZEN, path="frozen_inference_graph.pb"),
    _sound("fingerprint", field(1, 2**64 - 1) + field(6, field(1, 1)), path="fingerprint.pb"),
    _sound(
        "meta",
        meta_graph(graph(_FIRST), saver(), signature("y:0")),
        path="model.ckpt-0.meta",
    ),
    _bad("meta-reads", 4, meta_graph(graph([node("r", "ReadFile")])), path="model.ckpt-0.meta"),
    _bad("keras-lambda", 7, _keras('{"class_name": "Lambda"}'), path="keras_metadata.pb"),
    _bad("keras-escaped", 7, _keras('{"class_name": "L\\u0061mbda"}'), path="keras_metadata.pb"),
    _bad(
        "keras-dense",
        7,
        _keras('{"class_name": "Dense"}'),
        fails=False,
        path="keras_metadata.pb",
    ),
    _bad("trailing-bytes", 1, _PLAIN + b"cos\nsystem\n(S'id'\ntR."),
    _bad("cut", 1, _PLAIN[:-2]),
    _bad("group", 1, _PLAIN + bytes((3 << 3 | 3, 3 << 3 | 4))),
    _bad("two-graphs-in-one", 1, saved_model(meta_graph(graph([_Y]), field(2, graph([_Y]))))),
    _bad("other-message", 1, b"\x0a\x00\x0a\x03\xff\xff\xff", fails=False, path="other.pb"),
    _bad("unknown-field", 2, _PLAIN + field(99, b"payload"), fails=False),
    _bad("schema-2", 3, saved_model(meta_graph(graph([_Y])), version=2)),
    _bad("no-graphs", 3, saved_model()),
    _bad("node-twice", 3, saved_model(meta_graph(graph([_Y, _Y])))),
    _bad("function-twice", 3, _saving(_CALLS, [*_SAVERS, function("f", []), function("f", [])])),
    _bad(
        "function-like-an-operator",
        4,
        saved_model(meta_graph(graph([node("r", "ReadFile")], [function("ReadFile", [])]))),
    ),
    _bad("reads-a-file", 4, _computing("Relu", "ReadFile")),
    _bad("writes-a-file", 4, _computing("WriteFile")),
    _bad("lists-files", 4, _computing("MatchingFiles")),
    _bad("python", 4, _computing("PyFunc", "EagerPyFunc")),
    _bad("prints", 4, _computing("PrintV2")),
    _bad("descriptor-from-a-file", 4, _computing("DecodeProtoV2")),
    _bad("maps-a-file", 4, _computing("ImmutableConst")),
    _bad("debugs", 4, _computing("DebugIdentityV2")),
    _bad("calls-a-server", 4, _computing("RpcClient", "RpcCall")),
    _bad("foreign-operator", 4, _computing("AcmeShell")),
    _bad("unlisted-operator", 4, _computing("TensorSliceDataset"), fails=False),
    _bad("text-library", 4, _computing("SentencepieceOp"), fails=False),
    _bad("table-of-a-file", 4, _computing("InitializeTableFromTextFileV2")),
    _bad(
        "table-of-an-asset",
        4,
        saved_model(meta_graph(graph([node("t", "InitializeTableFromTextFileV2")]), _ASSET)),
        fails=False,
    ),
    _bad(
        "reads-in-a-function",
        4,
        saved_model(meta_graph(graph([_Y], [function("f", [node("r", "ReadFile")])]))),
    ),
    _bad(
        "reads-in-the-saver",
        4,
        _saving(
            _CALLS, [*_SAVERS[:1], function("traced_restore", [*_RESTORE, node("r", "ReadFile")])]
        ),
    ),
    _bad("frozen-reads", 4, graph([node("r", "ReadFile")]), path="frozen.pb"),
    _bad("frozen-saver", 5, graph(_FIRST), fails=False, path="graph.pb"),
    _bad("saver-of-nobody", 5, saved_model(meta_graph(graph(_FIRST))), fails=False),
    _bad(
        "file-of-a-constant",
        5,
        _saving(
            [node("path", "Const"), _Y, node("write", "SaveV2", ["path", "names", "slices"])], []
        ),
    ),
    _bad(
        "file-of-a-constant-in-a-function",
        5,
        _saving(
            _CALLS,
            [
                _SAVERS[0],
                function(
                    "traced_restore",
                    [node("path", "Const"), node("read", "RestoreV2", ["path:output:0", "n", "s"])],
                ),
            ],
        ),
    ),
    _bad(
        "file-of-the-caller",
        5,
        _saving(
            [
                *_CALLS[:3],
                node("path", "Const"),
                node("restore", "StatefulPartitionedCall", ["path"], calls("traced_restore")),
            ]
        ),
    ),
    _bad("signature-saves", 5, _saving(output="save:0")),
    _bad(
        "signature-behind-saver", 5, _saving([*_CALLS, node("z", "Relu", ["restore"])], output="z")
    ),
    _bad(
        "signature-in-order", 5, _saving([*_CALLS, node("z", "Relu", ["x", "^save"])], output="z")
    ),
    _bad("restoring-writes", 5, _saving(restore="save")),
    _bad("loading-writes", 5, _saving(_CALLS, _SAVERS, field(4, _MAIN_OP))),
    _bad("saver-by-name", 5, _saving(_CALLS, _SAVERS, _CONCRETE)),
    _bad(
        "saver-in-a-function",
        5,
        _saving(
            _CALLS,
            [*_SAVERS, function("f", [node("c", "PartitionedCall", ["x"], calls("traced_save"))])],
        ),
    ),
    _bad(
        "saver-as-operator",
        5,
        _saving(_CALLS, [*_SAVERS, function("f", [node("c", "traced_save", ["x"])])]),
    ),
    _bad("asset-above", 6, saved_model(meta_graph(graph([_Y]), field(6, field(2, "../x"))))),
    _bad("asset-absent", 6, saved_model(meta_graph(graph([_Y]), field(6, field(2, "x.txt"))))),
    _bad(
        "lambda",
        7,
        saved_model(meta_graph(graph([_Y]), _user_object('{"class_name": "Lambda"}'))),
    ),
    _bad(
        "keras-layers",
        7,
        saved_model(meta_graph(graph([_Y]), _user_object('{"class_name": "Dense"}'))),
        fails=False,
    ),
    _bad(
        "handle",
        8,
        saved_model(meta_graph(graph([node("c", "Const", (), _HANDLE)]))),
    ),
)
