"""One graph of TensorFlow with its functions, and whether its savers do no more than save.

Every SavedModel has operators that read and write files: the saver's. They are let through where
whoever calls the saver says which file, and where nothing but the saver is computed from them:

- they are in the graph itself (TensorFlow 1), or in functions that nodes of the graph call
  (TensorFlow 2), never in functions that functions call or that the program can call by name;
- the file's name comes from a placeholder, or from the function's first argument;
- no output of a signature, and nothing that runs when the model is loaded, depends on them; on
  those that write, not even the saver's own operation that restores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from registry.formats.look import SpentError
from registry.formats.tensorflow_operators import HOST, SAVER

#: Nodes of all graphs and functions together; each is remembered.
NODES_MAX = 1_000_000
_WRITING = SAVER - {"RestoreV2"}
#: By operator: which inputs name files.
_FILES = {"SaveV2": (0,), "RestoreV2": (0,), "MergeV2Checkpoints": (0, 1)}
#: Operators that make a file's name of the name in their first input.
_NAMING = frozenset({"Identity", "Pack", "ShardedFilename", "StringJoin"})
_PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
_NAMING_MAX = 64


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    op: str
    #: As they are written: `node`, `node:1`, `^node`; in functions `node:output:0` too.
    inputs: tuple[str, ...]
    #: That its attributes name.
    functions: tuple[str, ...]

    @property
    def calls(self) -> tuple[str, ...]:
        """Names that are functions' if the graph has such; the operator's may be one."""
        return (self.op, *self.functions)


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    #: By its name: the file's, of a saver's function.
    first_argument: str
    nodes: tuple[Node, ...]


@dataclass
class Graph:
    """What one MetaGraphDef or GraphDef says."""

    nodes: dict[str, Node] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    #: Names that came twice; TensorFlow takes no such graph.
    doubled: list[str] = field(default_factory=list)
    #: Node names: of signatures' outputs, and of what runs when the model is loaded.
    fetched: set[str] = field(default_factory=set)
    #: Functions that programs call by name, or that stand for operators' gradients.
    public: set[str] = field(default_factory=set)
    #: The saver's node that restores; empty without a saver.
    restore: str = ""

    def add_nodes(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if node.name in self.nodes:
                self.doubled.append(node.name)
            self.nodes[node.name] = node

    def add_function(self, function: Function) -> None:
        if function.name in self.functions:
            self.doubled.append(function.name)
        self.functions[function.name] = function

    def operators(self) -> Counter[str]:
        """Those of all nodes, calls of the graph's own functions left out, unless such a function
        has taken an operator's name."""
        found = Counter(node.op for node in self.nodes.values())
        for function in self.functions.values():
            found.update(node.op for node in function.nodes)
        for name in self.functions.keys() - HOST:
            found.pop(name, None)
        return found


def saver_faults(graph: Graph) -> list[str]:
    """In which ways operators of savers do other things than save; none without such operators."""
    savers = {
        name: {node.op for node in function.nodes} & SAVER
        for name, function in graph.functions.items()
    }
    savers = {name: ops for name, ops in savers.items() if ops}
    return _function_faults(graph, savers) + _graph_faults(graph, savers)


def _function_faults(graph: Graph, savers: Mapping[str, set[str]]) -> list[str]:
    faults = []
    for name in savers:
        function = graph.functions[name]
        nodes = {node.name: node for node in function.nodes}
        faults += _naming_faults(nodes, function.first_argument)
        if name in graph.public:
            faults.append(f"function {name} can be called by its name")
    for caller in graph.functions.values():
        called = {name for node in caller.nodes for name in node.calls} & savers.keys()
        faults += [f"function {caller.name} calls {name}" for name in sorted(called)]
    return faults


def _graph_faults(graph: Graph, savers: Mapping[str, set[str]]) -> list[str]:
    faults = _naming_faults(graph.nodes, "")
    saving: dict[str, set[str]] = {}
    for node in graph.nodes.values():
        called = savers.keys() & set(node.calls)
        ops = ({node.op} & SAVER).union(*(savers[name] for name in called))
        if ops:
            saving[node.name] = ops
        if called and not _is_given(graph.nodes, "", node.inputs[0] if node.inputs else ""):
            faults.append(f"{node.name} gives its function the file's name")
    writing = {name for name, ops in saving.items() if ops & _WRITING}
    for name in sorted(_behind(graph.nodes, set(saving)) & graph.fetched):
        faults.append(f"what is computed or run as {name} depends on them")
    if graph.restore in _behind(graph.nodes, writing):
        faults.append(f"{graph.restore} restores, and writes as well")
    return faults


def _naming_faults(nodes: Mapping[str, Node], argument: str) -> list[str]:
    """Of operators whose file someone else than the caller names."""
    faults = []
    for node in nodes.values():
        for number in _FILES.get(node.op, ()):
            source = node.inputs[number] if number < len(node.inputs) else ""
            if not _is_given(nodes, argument, source):
                faults.append(
                    f"{node.name} ({node.op}) takes the file's name from {source or 'nothing'}"
                )
    return faults


def _is_given(nodes: Mapping[str, Node], argument: str, source: str) -> bool:
    for _ in range(_NAMING_MAX):
        if argument and source == argument:
            return True
        node = nodes.get(name_of(source))
        if node is None:
            return False
        if node.op in _PLACEHOLDERS:
            return not argument
        if node.op not in _NAMING or not node.inputs:
            return False
        source = node.inputs[0]
    return False


def _behind(nodes: Mapping[str, Node], begin: set[str]) -> set[str]:
    """Those, and all that depend on them."""
    if not begin:
        return set()
    users: dict[str, list[str]] = {}
    for node in nodes.values():
        for source in node.inputs:
            users.setdefault(name_of(source), []).append(node.name)
    found, pending = set(begin), list(begin)
    while pending:
        for name in users.get(pending.pop(), ()):
            if name not in found:
                found.add(name)
                pending.append(name)
    return found


def name_of(tensor: str) -> str:
    """The node of `node:0`, `^node`, `node:output:0`."""
    return tensor.removeprefix("^").partition(":")[0]


def check_size(count: int) -> None:
    if count > NODES_MAX:
        raise SpentError(f"it has more than {NODES_MAX} nodes")
