"""TensorFlow's SavedModel and GraphDef: graphs whose operators compute and do nothing else.

Sources: https://www.tensorflow.org/guide/saved_model and the proto files that `tensorflow_schema`
names. Running a graph is running a program; what it may do is what its operators do, hence they are
allowed by list. Which variables a SavedModel has is in its checkpoint, which is not read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

from registry.formats import tensorflow_graph, tensorflow_operators
from registry.formats.look import Effect, Look, Rule, SpentError, StopLooking, quoted
from registry.formats.protobuf_wire import Message, WireError, walk
from registry.formats.tensorflow_graph import Function, Graph, Node
from registry.formats.tensorflow_schema import SCHEMA

METADATA_BYTES_MAX = 16 * 1024 * 1024

_SAVE = "Save the model again with tf.saved_model.save, and push a new version."
_CONVERT = "Convert the model to ONNX or TFLite, or leave these operators out of it."
WIRE = Rule(
    "TENSORFLOW-1",
    "The file is one protobuf message of TensorFlow's from the first byte to the last, strictly "
    "encoded.",
    _SAVE,
)
FIELDS = Rule(
    "TENSORFLOW-2",
    "All fields are those of TensorFlow's proto files.",
    "Save the model with a released version of TensorFlow. If it is newer than the server knows, "
    "tell its operator.",
)
GRAPH = Rule(
    "TENSORFLOW-3",
    "A SavedModel is of schema version 1 and has graphs, in which no name comes twice.",
    _SAVE,
)
OPERATOR = Rule(
    "TENSORFLOW-4",
    "Operators are on the list of those that compute and do nothing else.",
    _CONVERT,
)
SAVER = Rule(
    "TENSORFLOW-5",
    "Checkpoints are read and written by the model's saver alone, where its caller says.",
    _SAVE,
)
ASSETS = Rule(
    "TENSORFLOW-6",
    "Assets have plain names, and are in the version's folder assets.",
    _SAVE,
)
KERAS = Rule(
    "TENSORFLOW-7",
    "The model brings no Keras layers that are rebuilt when it is loaded.",
    "Export the model with model.export, or convert it to ONNX.",
)
CONSTANT = Rule(
    "TENSORFLOW-8",
    "Constants are numbers and texts, not handles of resources or variants.",
    _SAVE,
)
RULES = (WIRE, FIELDS, GRAPH, OPERATOR, SAVER, ASSETS, KERAS, CONSTANT)

#: Collections whose nodes run when a SavedModel is loaded.
_LOADING = frozenset({"legacy_init_op", "saved_model_main_op", "saved_model_train_op"})
_KEPT_MAX = tensorflow_graph.NODES_MAX
_NOT_PLAIN = frozenset('\\/:*?"<>|')


def read(look: Look) -> None:
    """A saved_model.pb. Facts: `operators` (a list of {op_type, count}), `signatures` (by name,
    `inputs` and `outputs`, lists of {name, dims}), `assets` (file names), `tags`, `producer`."""
    _read(look, "SavedModel", look.stop)


def read_graph(look: Look) -> None:
    """A GraphDef, as frozen graphs are. The ending .pb is that of other messages, too: what is none
    is unknown. Facts: `operators`."""
    _read(look, "GraphDef", _doubting(look))


def read_meta(look: Look) -> None:
    """A MetaGraphDef, as TensorFlow 1 saves one beside a checkpoint; other files are named .meta
    too. Facts: a SavedModel's."""
    _read(look, "MetaGraphDef", _doubting(look))


def read_keras(look: Look) -> None:
    """A keras_metadata.pb: what Keras 2 rebuilds the layers of a SavedModel from."""
    _read(look, "SavedMetadata", look.stop)


def read_fingerprint(look: Look) -> None:
    """A fingerprint.pb: hashes of a SavedModel's parts, which loaders log."""
    _read(look, "FingerprintDef", look.stop)


def _doubting(look: Look) -> Callable[..., NoReturn]:
    def doubt(rule: Rule, message: str, *, offset: int | None = None) -> NoReturn:
        look.doubt(rule, message, offset=offset)
        raise StopLooking

    return doubt


def _read(look: Look, root: str, stop: Callable[..., NoReturn]) -> None:
    model = _Model(look)
    try:
        walked = walk(look.source, SCHEMA, root, model.leave, look.budget, kept_max=_KEPT_MAX)
    except WireError as error:
        stop(WIRE, str(error), offset=error.offset)
    for (message, number), count in sorted(walked.unknown.items()):
        look.doubt(FIELDS, f"found field {number} in {message}, {count} times")
    look.facts["operators"] = [
        {"op_type": name, "count": count} for name, count in sorted(model.operators.items())
    ]


class _Model:
    """What is known of the model so far; `_graph` is that of the MetaGraphDef at hand."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._graph = Graph()
        self._nodes = 0
        self.operators: Counter[str] = Counter()
        self._leave: dict[str, Callable[[Message], Any]] = {
            "SavedModel": self._saved_model,
            "MetaGraphDef": self._meta_graph,
            "GraphDef": self._graph_def,
            "FunctionDef": self._function,
            "NodeDef": self._node,
            "AttrEntry": lambda entry: entry.one("value"),
            "AttrValue": lambda value: value.one("list") or value.one("func"),
            "ListValue": lambda value: tuple(name for names in value.all("func") for name in names),
            "NameAttrList": _named_function,
            "TensorProto": self._tensor,
            "OpDef": lambda op: (op.one("name", ""), op.one("input_arg", "")),
            "ArgDef": lambda argument: argument.one("name", ""),
            "MetaInfoDef": self._meta_info,
            "NodeList": lambda nodes: nodes.all("value"),
            "CollectionDef": lambda collection: collection.one("node_list"),
            "CollectionEntry": lambda entry: (entry.one("key", ""), entry.one("value") or []),
            "SignatureEntry": lambda entry: (entry.one("key", ""), entry.one("value", ([], []))),
            "SignatureDef": lambda each: (each.all("inputs"), each.all("outputs")),
            "InfoEntry": lambda entry: (entry.one("key", ""), *entry.one("value", ([], None))),
            "TensorInfo": _tensor_info,
            "CooSparse": lambda coo: [text for texts in coo.values.values() for text in texts],
            "CompositeTensor": lambda each: [
                name for names, _ in each.all("components") for name in names
            ],
            "TensorShapeProto": lambda each: None if each.one("unknown_rank") else each.all("dim"),
            "Dim": lambda dim: dim.one("size", 0),
            "SaverDef": lambda saver: saver.one("restore_op_name", ""),
            "AssetFileDef": lambda asset: asset.one("filename", ""),
            "SavedUserObject": self._user_object,
            "KerasObject": self._user_object,
            "ConcreteEntry": lambda entry: entry.one("key", ""),
            "SavedObjectGraph": lambda objects: objects.all("concrete_functions"),
            "GradientDef": lambda gradient: gradient.one("gradient_func", ""),
            "RegisteredGradient": lambda gradient: gradient.one("gradient_func", ""),
            "FunctionDefLibrary": self._library,
        }

    def leave(self, message: Message) -> Any:
        if any(len(values) >= _KEPT_MAX for values in message.values.values()):
            raise SpentError(f"it has more than {_KEPT_MAX} values in one place")
        take = self._leave.get(message.type)
        return take(message) if take else None

    def _library(self, library: Message) -> None:
        gradients = (*library.all("gradient"), *library.all("registered_gradients"))
        self._graph.public.update(gradients)

    def _saved_model(self, model: Message) -> None:
        version = model.one("saved_model_schema_version", 0)
        if version != 1 or not model.count("meta_graphs"):
            found = f"schema version {version} and {model.count('meta_graphs')} graphs"
            self._look.refuse(GRAPH, f"found {found}, expected version 1 and at least one")

    def _meta_graph(self, meta: Message) -> None:
        look, graph = self._look, self._graph
        signatures = dict(meta.all("signature_def"))
        graph.public.update(meta.one("object_graph_def", ()))
        for _, outputs in signatures.values():
            graph.fetched |= {
                tensorflow_graph.name_of(tensor) for _, tensors, _ in outputs for tensor in tensors
            }
        for key, nodes in meta.all("collection_def"):
            if key in _LOADING:
                graph.fetched |= {tensorflow_graph.name_of(node) for node in nodes}
        graph.restore = tensorflow_graph.name_of(meta.one("saver_def", ""))
        assets = meta.all("asset_file_def")
        self._check_assets(assets)
        self._conclude(has_saver=bool(meta.count("saver_def")), has_assets=bool(assets))
        look.facts.setdefault("signatures", {}).update(
            {
                key: {"inputs": _infos(inputs), "outputs": _infos(outputs)}
                for key, (inputs, outputs) in signatures.items()
            }
        )
        look.facts.setdefault("assets", []).extend(assets)

    def _graph_def(self, graph: Message) -> None:
        if graph.parent is None:
            self._conclude(has_saver=False, has_assets=False)

    def _conclude(self, *, has_saver: bool, has_assets: bool) -> None:
        """Judge the graph at hand, and begin another."""
        look, graph = self._look, self._graph
        self._graph = Graph()
        if graph.doubled:
            names = sorted(set(graph.doubled))
            look.refuse(GRAPH, f"found {quoted(names)} twice, expected each name once")
        operators = graph.operators()
        self.operators.update(operators)
        for operator in sorted(operators):
            self._check_operator(operator, has_assets=has_assets)
        if not operators.keys() & tensorflow_operators.SAVER:
            return
        if not has_saver:
            look.doubt(SAVER, "found operators of a saver, but nothing that says what it is")
        for fault in tensorflow_graph.saver_faults(graph):
            look.refuse(SAVER, f"found operators of a saver: {quoted(fault)}")

    def _check_operator(self, operator: str, *, has_assets: bool) -> None:
        verdict = tensorflow_operators.verdict(operator)
        if verdict is None or operator in tensorflow_operators.SAVER:
            return
        message = f"found {quoted(operator)}, which {verdict.reason}"
        if has_assets and operator in tensorflow_operators.FROM_FILE:
            # Most likely of an asset; that it reads no other file is not proved here.
            self._look.doubt(OPERATOR, message)
        elif verdict.effect is Effect.FAIL:
            self._look.refuse(OPERATOR, message)
        else:
            self._look.doubt(OPERATOR, message)

    def _check_assets(self, names: list[str]) -> None:
        for name in names:
            is_plain = (
                name not in ("", ".", "..") and not _NOT_PLAIN & set(name) and name.isprintable()
            )
            if not is_plain:
                self._look.refuse(ASSETS, f"found asset {quoted(name)}, expected a plain file name")
            elif not any(f"/{path}".endswith(f"/assets/{name}") for path in self._look.files):
                self._look.refuse(ASSETS, f"found no file for asset {quoted(name)}")

    def _function(self, function: Message) -> None:
        name, argument = function.one("signature", ("", ""))
        self._graph.add_function(Function(name, argument, tuple(function.all("node_def"))))

    def _node(self, node: Message) -> Node | None:
        self._nodes += 1
        tensorflow_graph.check_size(self._nodes)
        functions = tuple(name for names in node.all("attr") for name in names)
        made = Node(node.one("name", ""), node.one("op", ""), tuple(node.all("input")), functions)
        if node.field == "node_def":
            return made
        self._graph.add_nodes((made,))
        return None

    def _tensor(self, tensor: Message) -> None:
        for kind in ("resource_handle_val", "variant_val"):
            if tensor.count(kind):
                self._look.refuse(CONSTANT, f"found {kind}, expected none", offset=tensor.start)

    def _meta_info(self, info: Message) -> None:
        self._look.facts["tags"] = info.all("tags")
        self._look.facts["producer"] = f"tensorflow {info.one('tensorflow_version', '')}".strip()

    def _user_object(self, user: Message) -> None:
        offset, length = user.one("metadata", (0, 0))
        if not length:
            return
        look = self._look
        text = look.source.read(offset, min(length, METADATA_BYTES_MAX))
        # In JSON a letter may be written as \u004c, by which Keras reads the same.
        if b"lambda" in text.lower() or b"\\u00" in text or length > len(text):
            look.refuse(
                KERAS, "found a Lambda layer, whose code runs when it is loaded", offset=offset
            )
        else:
            look.doubt(KERAS, f"found {quoted(text.decode('utf-8', 'replace'))}", offset=offset)


def _named_function(function: Message) -> tuple[str, ...]:
    """Its name, and those that its own attributes name."""
    inner = (name for names in function.all("attr") for name in names)
    return (function.one("name", ""), *inner)


def _tensor_info(info: Message) -> tuple[list[str], list[int] | None]:
    """The names of its tensors, and its dimensions."""
    names = [info.one("name", ""), *info.one("coo_sparse", []), *info.one("composite_tensor", [])]
    return [name for name in names if name], info.one("tensor_shape")


def _infos(entries: list[tuple[str, list[str], list[int] | None]]) -> list[dict[str, Any]]:
    return [{"name": key, "dims": dims} for key, _, dims in entries]
