"""ONNX: one protobuf message, whose operators compute and whose tensors are what they say.

Sources: onnx.proto and docs/IR.md in https://github.com/onnx/onnx. What it takes to run the model
(names that are unique and defined before they are used, types that fit) is onnx.checker's to say,
which runs afterwards; here it is what loading can be made to do: read other files, load foreign
libraries, or read past a tensor's end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from typing import Any

from registry.formats import onnx_operators, onnx_tensors
from registry.formats.look import Look, Rule, SpentError, quoted
from registry.formats.onnx_schema import DATA_TYPES, IR_VERSION_MAX, SCHEMA
from registry.formats.protobuf_wire import KEPT_MAX, Message, WireError, walk

#: Tensors that are told as facts; the others are checked all the same.
TENSORS_MAX = 50_000
#: Different operators, and functions of the model's own.
OPERATORS_MAX = 100_000
#: Runtimes put a function's nodes in the place of each of its calls.
UNFOLDED_MAX = 50_000_000

_SAVE = "Save the model again with the onnx library (onnx.save), and push a new version."
WIRE = Rule(
    "ONNX-1",
    "The file is one protobuf message of type ModelProto from the first byte to the last, strictly "
    "encoded.",
    _SAVE,
)
FIELDS = Rule(
    "ONNX-2",
    "All fields are those of onnx.proto and onnx-data.proto.",
    "Export the model with a released version of the onnx library. If it is newer than the server "
    "knows, tell its operator.",
)
VERSIONS = Rule(
    "ONNX-3",
    f"The model has an IR version from 1 to {IR_VERSION_MAX}, and imports operator sets from "
    "version 1 on.",
    _SAVE,
)
GRAPH = Rule("ONNX-4", "The model has one graph with at least one output.", _SAVE)
DOMAIN = Rule(
    "ONNX-11",
    "Operators are of a standard domain, or functions that the model brings along: others need a "
    "foreign library, which runs code.",
    "Export the model with standard operators alone.",
)
OPERATOR = Rule(
    "ONNX-12",
    "Operators of standard domains are on the list of those that compute and do nothing else.",
    "Export the model with operators of the ONNX standard. If they are newer than the server "
    "knows, tell its operator.",
)
FUNCTIONS = Rule(
    "ONNX-13",
    f"Functions of the model's own call no circle, and unfold to at most {UNFOLDED_MAX:,} nodes.",
    "Export the model anew; inline its functions (onnx.inliner) before it is saved.",
)
RULES = (WIRE, FIELDS, VERSIONS, GRAPH, *onnx_tensors.RULES, DOMAIN, OPERATOR, FUNCTIONS)


def read(look: Look) -> None:
    """Facts: `ir_version`, `producer` (text), `opsets` (version by domain), `signature` (`inputs`
    and `outputs`, lists of {name, dtype, dims}; a dimension is a number, a name or none),
    `operators` (a list of {domain, op_type, count}), `functions` (how many of the model's own),
    `tensors` (a list of {name, dtype, shape} of initializers, cut), `parameters` (elements in
    initializers), `external_data` (a list of {location, offset, length}).
    """
    model = _Model(look)
    try:
        walked = walk(look.source, SCHEMA, "ModelProto", model.leave, look.budget)
    except WireError as error:
        look.stop(WIRE, str(error), offset=error.offset)
    for (message, number), count in sorted(walked.unknown.items()):
        look.doubt(FIELDS, f"found field {number} in {message}, {count} times")
    model.conclude()


#: Domain, type and overload of an operator, or of a function.
_Names = tuple[str, str, str]


class _Model:
    """What is known of the model so far."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._tensors = onnx_tensors.Tensors(look)
        self._operators: Counter[_Names] = Counter()
        #: What each function calls; of one that is not read to its end by where it begins.
        self._functions: dict[_Names, Counter[_Names]] = {}
        self._calls: dict[int, Counter[_Names]] = {}
        self._opsets: dict[str, int] = {}
        self._initializers: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._parameters = 0
        self._leave: dict[str, Callable[[Message], Any]] = {
            "ModelProto": self._model,
            "GraphProto": self._graph,
            "FunctionProto": self._function,
            "NodeProto": self._node,
            "OperatorSetIdProto": self._opset,
            "TensorProto": self._tensor,
            "SparseTensorProto": self._sparse,
            "StringStringEntryProto": _entry,
            "ValueInfoProto": self._value,
            "TypeProto": _type,
            "TypeProto.Tensor": _tensor_type,
            "TypeProto.SparseTensor": _tensor_type,
            "TypeProto.Sequence": lambda each: f"seq({_named(each.one('elem_type'))})",
            "TypeProto.Optional": lambda each: f"optional({_named(each.one('elem_type'))})",
            "TypeProto.Map": lambda each: f"map({_named(each.one('value_type'))})",
            "TypeProto.Opaque": lambda _: "opaque",
            "TensorShapeProto": lambda shape: shape.all("dim"),
            # A list, since none is left out.
            "Dimension": lambda each: [each.one("dim_value", each.one("dim_param"))],
        }

    def leave(self, message: Message) -> Any:
        take = self._leave.get(message.type)
        return take(message) if take else None

    def conclude(self) -> None:
        """Judge the operators, once all functions are known, and tell the facts."""
        operators: Counter[tuple[str, str]] = Counter()
        for (domain, op_type, overload), count in sorted(self._operators.items()):
            operators[domain, op_type] += count
            # Whatever a function of such a name does, runtimes look for the name first.
            is_taken = op_type in onnx_operators.HANDING_OVER
            if is_taken or (domain, op_type, overload) not in self._functions:
                self._check_operator(domain, op_type)
        self._check_functions()
        facts = self._look.facts
        facts["opsets"] = self._opsets
        facts["operators"] = [
            {"domain": domain, "op_type": op_type, "count": count}
            for (domain, op_type), count in sorted(operators.items())
        ]
        facts["functions"] = len(self._functions)
        facts["tensors"] = self._initializers
        facts["parameters"] = self._parameters
        external = self._tensors.external_data()
        if external:
            facts["external_data"] = external

    def _check_operator(self, domain: str, op_type: str) -> None:
        what = f"found operator {quoted(op_type)} of domain {quoted(domain)}"
        standard = onnx_operators.standard_domain(domain)
        if not onnx_operators.is_standard(domain) or op_type in onnx_operators.HANDING_OVER:
            self._look.refuse(DOMAIN, f"{what}, expected a standard one that computes")
            return
        if op_type in onnx_operators.COMPUTING.get(standard, ()):
            return
        newest = onnx_operators.NEWEST.get(standard)
        imported = max(
            (
                version
                for each, version in self._opsets.items()
                if onnx_operators.standard_domain(each) == standard
            ),
            default=0,
        )
        if newest is None or imported > newest or op_type in onnx_operators.PLUGINS:
            self._look.doubt(OPERATOR, f"{what}, which is not on the list")
        else:
            self._look.refuse(
                OPERATOR, f"{what}, which no version of the standard up to {newest} has"
            )

    def _model(self, model: Message) -> None:
        look = self._look
        version = model.one("ir_version", 0)
        if version > IR_VERSION_MAX:
            look.doubt(VERSIONS, f"found IR version {version}, expected at most {IR_VERSION_MAX}")
        elif version < 1:
            look.refuse(VERSIONS, f"found IR version {version}, expected 1 to {IR_VERSION_MAX}")
        if not model.count("opset_import") and version >= 3:
            look.refuse(VERSIONS, "found no import of an operator set, expected at least one")
        if not model.count("graph"):
            look.refuse(GRAPH, "found no graph, expected one")
        look.facts["ir_version"] = version
        producer = (model.one("producer_name", ""), model.one("producer_version", ""))
        look.facts["producer"] = " ".join(producer).strip()

    def _graph(self, graph: Message) -> str:
        parent = graph.parent
        if parent is None or parent.type != "ModelProto":
            return "graph"
        if not graph.count("output"):
            self._look.refuse(GRAPH, "found no outputs of the graph, expected at least one")
        if graph.count("input") > KEPT_MAX or graph.count("output") > KEPT_MAX:
            raise SpentError(f"it has more than {KEPT_MAX} inputs or outputs")
        self._look.facts["signature"] = {
            # Models of old versions list their initializers among the inputs.
            "inputs": [each for each in graph.all("input") if each["name"] not in self._names],
            "outputs": graph.all("output"),
        }
        return "graph"

    def _function(self, function: Message) -> None:
        names = (function.one("domain", ""), function.one("name", ""), function.one("overload", ""))
        self._functions.setdefault(names, Counter()).update(
            self._calls.pop(function.start, Counter())
        )
        self._bound(len(self._functions))

    def _node(self, node: Message) -> None:
        names = (node.one("domain", ""), node.one("op_type", ""), node.one("overload", ""))
        self._operators[names] += 1
        self._bound(len(self._operators))
        function = node.parent
        while function is not None and function.type != "FunctionProto":
            function = function.parent
        if function is not None:
            self._calls.setdefault(function.start, Counter())[names] += 1

    def _check_functions(self) -> None:
        graph = {
            each: calls.keys() & self._functions.keys() for each, calls in self._functions.items()
        }
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = [":".join(names) for names in error.args[1]]
            self._look.refuse(FUNCTIONS, f"found a circle of {quoted(circle)}")
            return
        unfolded: dict[_Names, int] = {}
        for function in order:
            calls = self._functions[function].items()
            unfolded[function] = sum(count * unfolded.get(each, 1) for each, count in calls)
            if unfolded[function] > UNFOLDED_MAX:
                self._look.refuse(FUNCTIONS, f"found {quoted(':'.join(function))}, which is larger")
                return
        total = sum(count * unfolded.get(each, 0) for each, count in self._operators.items())
        if total > UNFOLDED_MAX:
            self._look.refuse(FUNCTIONS, f"found a graph of {total} nodes")

    def _bound(self, count: int) -> None:
        if count > OPERATORS_MAX:
            raise SpentError(f"it has more than {OPERATORS_MAX} different operators")

    def _opset(self, opset: Message) -> None:
        domain, version = opset.one("domain", ""), opset.one("version", 0)
        if version < 1:
            self._look.refuse(
                VERSIONS, f"found version {version} of {quoted(domain)}, expected 1 or more"
            )
        self._opsets[domain] = max(version, self._opsets.get(domain, 0))
        self._bound(len(self._opsets))

    def _tensor(self, tensor: Message) -> tuple[str, str, tuple[int, ...]]:
        found = name, dtype, dims = self._tensors.check(tensor)
        if tensor.field == "initializer":
            elements = 1
            for axis in dims:
                elements *= axis
            self._initializer(name, dtype, list(dims), elements if dtype else 0)
        return found

    def _sparse(self, sparse: Message) -> None:
        values = self._tensors.check_sparse(sparse)
        if sparse.field == "sparse_initializer":
            name, dtype, _ = sparse.one("values", ("", "", ()))
            self._initializer(name, dtype, sparse.all("dims"), values)

    def _initializer(self, name: str, dtype: str, shape: list[int], elements: int) -> None:
        self._parameters += elements
        if len(self._initializers) < TENSORS_MAX:
            self._initializers.append({"name": name, "dtype": dtype, "shape": shape})
            self._names.add(name)

    def _value(self, value: Message) -> dict[str, Any] | None:
        if value.field not in ("input", "output"):
            return None
        dtype, dims = value.one("type", ("", None))
        return {"name": value.one("name", ""), "dtype": dtype, "dims": dims}


def _entry(entry: Message) -> tuple[str, str]:
    return entry.one("key", ""), entry.one("value", "")


def _tensor_type(tensor: Message) -> tuple[str, list[Any] | None]:
    dtype = DATA_TYPES.get(tensor.one("elem_type", 0))
    shape = tensor.one("shape")
    dims = None if shape is None else [dim for (dim,) in shape]
    return dtype.name if dtype else "", dims


def _type(type_: Message) -> tuple[str, list[Any] | None]:
    """The name of a type, and dimensions if it is a tensor's."""
    for name in ("tensor_type", "sparse_tensor_type"):
        if type_.count(name):
            found: tuple[str, list[Any] | None] = type_.one(name)
            return found
    for name in ("sequence_type", "optional_type", "map_type", "opaque_type"):
        if type_.count(name):
            return type_.one(name), None
    return "", None


def _named(type_: tuple[str, object] | None) -> str:
    return type_[0] if type_ else ""
