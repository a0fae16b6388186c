"""TensorFlow's messages in text form, and what their operators do."""

from __future__ import annotations

from registry.testing.vectors import Vector


def _of(
    name: str, text: str, rule: str = "", path: str = "graph.pbtxt", *, fails: bool = True
) -> Vector:
    return Vector(name=name, path=path, data=text.encode(), rule=rule, fails=fails)


_RELU = 'node { name: "y" op: "Relu" input: "x" }\n'
_LABELS = 'item {  # op: none\n  id: 1\n  name: "my op: cat"\n  node_name: 1 }\n'

VECTORS = (
    _of("labels", _LABELS, path="label_map.pbtxt"),
    _of("nothing", "", path="label_map.pbtxt"),
    _of("triton", 'name: "m"\nbackend: "onnxruntime"\n', path="config.pbtxt"),
    _of("graph", _RELU, "PBTXT-1", fails=False),
    _of("graph-without-operators", 'graph_def: { node < name: "x" > }', "PBTXT-1", fails=False),
    _of("reads-a-file", 'node{op:#\n"ReadFile"}', "TENSORFLOW-4"),
    _of("model-reads", 'node { op: "ReadFile" }', "TENSORFLOW-4", "saved_model.pbtxt"),
    _of("empty-model", "", "FILE-1", "saved_model.pbtxt"),
    _of("model", "saved_model_schema_version: 1\n", "PBTXT-1", "saved_model.pbtxt", fails=False),
    _of("endless-text", 'name: "a', "PBTXT-2"),
    *(
        _of(f"spelled-{number}", f"node {{ op{spelling} }}", "PBTXT-2")
        for number, spelling in enumerate(
            (': "Read" "File"', ": 'Read\\x46ile'", ': "ReadFile', ": ReadFile", ":\"Relu\" 'x'")
        )
    ),
)
