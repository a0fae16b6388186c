"""skops: a zip archive of a tree of nodes in JSON, and numpy arrays beside it.

Source: skops/io (`_general.py`, `_numpy.py`, `_persist.py`, `_trusted_types.py`). A node names a
class and the loader that makes it. Let in are plain values, arrays and scikit-learn's own
estimators. Where skops takes a node of the same id instead, that was judged as a node, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from registry.formats import strict_json, zip_container
from registry.formats.look import Look, Rule, quoted
from registry.formats.skops_estimators import ESTIMATORS
from registry.formats.source import Source

SCHEMA = "schema.json"
#: As Python's values it takes some twenty times as much.
SCHEMA_BYTES_MAX = 16 * 1024 * 1024

_DUMP = "Write it again with skops.io.dump, and push a new version."
_CONVERT = "Convert the model to ONNX and push that, or ask for a waiver."
TREE = Rule("SKOPS-1", "schema.json is a tree of nodes as skops writes them, in JSON.", _DUMP)
LISTED = Rule(
    "SKOPS-2",
    "Nodes are plain values, arrays and scikit-learn's estimators; none is a function, a method or "
    "another class.",
    _CONVERT,
)
PLAIN = Rule(
    "SKOPS-3",
    "Nodes are of kinds that can be judged by their names: no trees, random states, sparse arrays.",
    _CONVERT,
)
FILES = Rule(
    "SKOPS-4", "Besides schema.json there are the files that nodes name, and no others.", _DUMP
)
RULES = (TREE, LISTED, PLAIN, FILES)

_COMMON = {"__class__", "__module__", "__loader__"}
_ID = "__id__"
#: Of files with a node's bytes.
_BYTES = ".bin"
_ROOT = {"protocol", "_skops_version"}
_TYPES = frozenset(("builtins", name) for name in ("str", "int", "float", "bool", "bytes"))
_SCALARS = frozenset(
    ("numpy", name)
    for name in (
        *("bool", "bool_", "bytes_", "str_", "datetime64", "timedelta64"),
        *("int8", "int16", "int32", "int64", "longlong"),
        *("uint8", "uint16", "uint32", "uint64", "ulonglong"),
        *("float16", "float32", "float64", "longdouble"),
        *("complex64", "complex128", "clongdouble"),
    )
)
#: What each loader may make.
_CLASSES: Mapping[str, frozenset[tuple[str, str]]] = {
    "DictNode": frozenset((("builtins", "dict"), ("collections", "OrderedDict"))),
    "ListNode": frozenset((("builtins", "list"),)),
    "TupleNode": frozenset((("builtins", "tuple"),)),
    "SetNode": frozenset((("builtins", "set"),)),
    "JsonNode": frozenset((("builtins", "str"),)),
    "SliceNode": frozenset((("builtins", "slice"),)),
    "BytesNode": frozenset((("builtins", "bytes"),)),
    "BytearrayNode": frozenset((("builtins", "bytearray"),)),
    "NdArrayNode": frozenset((("numpy", "ndarray"),)) | _SCALARS,
    "DTypeNode": frozenset((("numpy", "dtype"),)),
    "TypeNode": _TYPES | _SCALARS,
    "ObjectNode": ESTIMATORS,
}
#: Loaders that skops knows beside them, and that run nothing that is named.
_UNJUDGED = frozenset(
    (
        *("TreeNode", "LossNode", "SGDNode", "SparseMatrixNode", "MaskedArrayNode"),
        *("RandomStateNode", "RandomGeneratorNode", "DefaultDictNode"),
    )
)


def read(look: Look) -> None:
    """Facts: `classes`, the estimators by their full names."""
    members = {member.name: member.source for member in zip_container.members(look)}
    if SCHEMA not in members:
        look.stop(FILES, f"found no {SCHEMA}")
    root = _schema(look, members.pop(SCHEMA))
    for key in _ROOT:
        if type(root.pop(key, "")) not in (int, str):
            look.refuse(TREE, f"found another {key}")
    files = _Walk(look).run(root)
    if not look.book.is_sound:
        # What was refused may have kept files from being told.
        return
    if files != members.keys():
        odd = min(files ^ members.keys())
        found = "which is not there" if odd in files else "which no node names"
        look.stop(FILES, f"found {quoted(odd)}, {found}")
    for name, source in members.items():
        # Bytes of a node are data.
        if not name.endswith(_BYTES):
            look.inside(name, source)


def _schema(look: Look, source: Source) -> dict[str, Any]:
    if source.size_bytes > SCHEMA_BYTES_MAX:
        look.stop(TREE, f"found {source.size_bytes} bytes, expected at most {SCHEMA_BYTES_MAX}")
    try:
        found = strict_json.loads(source.read(0, source.size_bytes))
    except strict_json.JsonError as error:
        look.stop(TREE, str(error), offset=error.position)
    if not isinstance(found, dict):
        look.stop(TREE, f"found {quoted(found)}, expected a node")
    return found


class _Walk:
    """Over all nodes, without recursion."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._pending: list[object] = []
        self._files: set[str] = set()

    def run(self, root: object) -> set[str]:
        """The files that nodes name."""
        self._pending = [root]
        while self._pending:
            self._look.budget.step()
            self._node(self._pending.pop())
        return self._files

    def _node(self, node: object) -> None:
        if not isinstance(node, dict) or not node.keys() >= _COMMON:
            self._look.stop(TREE, f"found {quoted(node)}, expected a node")
        module, name, loader = (node[key] for key in ("__module__", "__class__", "__loader__"))
        if not all(isinstance(each, str) for each in (module, name, loader)):
            self._look.stop(TREE, f"found {quoted(node)}, expected names as texts")
        found = f"found {quoted(f'{module}.{name}')} by {quoted(loader)}"
        if loader in _UNJUDGED:
            self._look.doubt(PLAIN, found)
        elif (module, name) not in _CLASSES.get(loader, ()):
            self._look.refuse(LISTED, found)
        elif _ID in node and type(node[_ID]) is not int:
            self._look.stop(TREE, f"found id {quoted(node[_ID])}, expected a number")
        else:
            if loader == "ObjectNode":
                self._learn(f"{module}.{name}")
            self._parts(loader, {key: node[key] for key in node.keys() - _COMMON - {_ID}})

    def _learn(self, name: str) -> None:
        classes = self._look.facts.setdefault("classes", [])
        if name not in classes:
            classes.append(name)

    def _parts(self, loader: str, parts: dict[str, object]) -> None:
        """What a node has beside its names: other nodes, a file, a value."""
        if not _PARTS[loader](self, parts):
            self._look.stop(TREE, f"found {quoted(parts)} in a node of {loader}")

    def _several(self, parts: dict[str, object]) -> bool:
        content = parts.get("content")
        if parts.keys() != {"content"} or not isinstance(content, list):
            return False
        self._pending += content
        return True

    def _dict(self, parts: dict[str, object]) -> bool:
        content = parts.get("content")
        if parts.keys() != {"content", "key_types"} or not isinstance(content, dict):
            return False
        self._pending += [*content.values(), parts["key_types"]]
        return True

    def _one(self, parts: dict[str, object]) -> bool:
        self._pending += parts.values()
        return parts.keys() == {"content"}

    def _object(self, parts: dict[str, object]) -> bool:
        return not parts or parts == {"content": None} or self._one(parts)

    def _none(self, parts: dict[str, object]) -> bool:
        return not parts

    def _json(self, parts: dict[str, object]) -> bool:
        content = parts.get("content")
        if parts.keys() != {"content", "is_json"} or not isinstance(content, str):
            return False
        try:
            value = strict_json.loads(content.encode())
        except (strict_json.JsonError, UnicodeEncodeError):
            # Python's JSON has these, too.
            return content in ("NaN", "Infinity", "-Infinity")
        return parts["is_json"] is True and not isinstance(value, list | dict)

    def _slice(self, parts: dict[str, object]) -> bool:
        content = parts.get("content")
        return (
            parts.keys() == {"content"}
            and isinstance(content, dict)
            and content.keys() == {"start", "stop", "step"}
            and all(each is None or type(each) is int for each in content.values())
        )

    def _file(self, parts: dict[str, object], ending: str = _BYTES) -> bool:
        name = parts.get("file")
        if parts.keys() != {"file"} or not isinstance(name, str) or not name.endswith(ending):
            return False
        self._files.add(name)
        return True

    def _array(self, parts: dict[str, object]) -> bool:
        """Of objects, a list of nodes; if not, a file of numpy's."""
        kind, content = parts.pop("type", None), parts.get("content")
        if kind == "numpy":
            return self._file(parts, ".npy")
        if kind != "json" or parts.keys() != {"content", "shape"} or not isinstance(content, list):
            return False
        self._pending += [*content, parts["shape"]]
        return True


_PARTS: Mapping[str, Callable[[_Walk, dict[str, object]], bool]] = {
    "DictNode": _Walk._dict,
    "ListNode": _Walk._several,
    "TupleNode": _Walk._several,
    "SetNode": _Walk._several,
    "JsonNode": _Walk._json,
    "SliceNode": _Walk._slice,
    "BytesNode": _Walk._file,
    "BytearrayNode": _Walk._file,
    "NdArrayNode": _Walk._array,
    "DTypeNode": _Walk._one,
    "TypeNode": _Walk._none,
    "ObjectNode": _Walk._object,
}
