"""What the onnx library and our own strict reader complain of in a model, as points.

Measured against ONNX Runtime 1.31: the checker refuses models that it loads and runs (nodes that
are not in order, initializers of one name, no import of the standard's operators), and so does
strict inference (an output that is declared with another shape). So each complaint is a doubt here;
whether a session can be had decides what becomes of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import onnx
import onnx.checker
import onnx.shape_inference

from registry.domain.readiness import Point, Weight
from registry.formats import onnx_tensors
from registry.formats.inspect import inspect
from registry.formats.look import Effect, Note, Rule
from registry.formats.source import FileSource, SourceError
from registry.names.text import show
from registry.serving.points import node_named, point

#: Of one kind; more of them have the same cause more often than not, and are counted.
SHOWN_MAX = 10

CHECKED = Rule(
    "GRAPH-2",
    "onnx.checker finds nothing wrong with the model.",
    "Correct the export, run onnx.checker.check_model over the file, and push a new version.",
)
SHAPES = Rule(
    "GRAPH-3",
    "Shapes and types follow from the inputs without a contradiction (strict shape inference).",
    "Correct the shapes that the model declares, or the node that they contradict; "
    "onnx.shape_inference.infer_shapes(model, strict_mode=True) says the same.",
)
DATA = Rule(
    "GRAPH-4",
    "Tensors are whole: each has the bytes that it says, in the model or in a file beside it.",
    "Save the model with onnx.save(..., save_as_external_data=True, location=<file name>) and push "
    "both files into one folder.",
)
RULES = (CHECKED, SHAPES, DATA)
#: What may be made good by a session that loads the model all the same.
COMPLAINTS = frozenset({CHECKED.id, SHAPES.id, DATA.id})

_ABOUT_TENSORS = {rule.id for rule in onnx_tensors.RULES}
#: How the checker names what it complains of; the first that fits.
_NODE = re.compile(
    r"\n+==> Context: Bad node spec for node\. Name: (?P<name>.*) OpType: (?P<op>.*)"
)
_UNSORTED = re.compile(
    r"however input '(?P<input>.*)' of node:\s+name: (?P<name>.*) OpType: (?P<op>\S+)", re.DOTALL
)
_TENSOR = re.compile(
    r"\( ?tensor name: (?P<name>.*?)\)|^(?P<first>.+) initializer name is not unique"
)
_QUOTED = re.compile(r"'(?P<name>[^']+)'")
#: How inference does: each begins so, on a line of its own.
_INFERENCE = re.compile(r"\(op_type:(?P<op>[^,)]*)(?:, node name: (?P<name>.*?))?\): (?P<said>.*)")


def external_data(folder: Path, path: str, sizes: Mapping[str, int]) -> list[Point]:
    """What our own strict reader (`registry/formats/onnx_tensors.py`) says of the model's tensors,
    given the files of its folder and those below."""
    beside = _beside(path, sizes)
    descriptor = os.open(folder / path, os.O_RDONLY)
    try:
        found = inspect(FileSource(descriptor), "onnx", beside)
    except SourceError as error:
        return [_complaint(DATA, "the model", f"it cannot be read: {error}", path)]
    finally:
        os.close(descriptor)
    points = [
        _of_note(note, path)
        for note in found.book.notes
        if note.rule.id in _ABOUT_TENSORS and note.effect is Effect.FAIL
    ]
    for data in found.book.facts.get("external_data", ()):
        # The reader takes any file of such a name, since it is not told where the model lies.
        name, end = data["location"], data["offset"] + data["length"]
        if beside.get(name, -1) < end:
            said = f"it has {beside[name]} bytes" if name in beside else "there is no such file"
            points.append(_complaint(DATA, f"file {show(name)}", said, path, f"{end} bytes"))
    return _cut(points, DATA, path)


def _beside(path: str, sizes: Mapping[str, int]) -> Mapping[str, int]:
    """Files by their way from the model's folder."""
    parent = PurePosixPath(path).parent
    start = "" if parent == PurePosixPath() else f"{parent}/"
    return {name[len(start) :]: size for name, size in sizes.items() if name.startswith(start)}


def _of_note(note: Note, path: str) -> Point:
    subject, colon, said = note.message.partition(": found ")
    if not colon:
        subject, said = "the model", note.message
    found, _, expected = said.partition(", expected ")
    return _complaint(DATA, subject, f"found {found}", path, expected)


def checker(folder: Path, path: str) -> list[Point]:
    """Its first complaint, which is all that it says.

    Not with `check_custom_domain`, which refuses functions of the model's own: operators that a
    runtime does not know are told by its tables (`onnx_rules.py`).
    """
    try:
        onnx.checker.check_model(str(folder / path))
    except onnx.checker.ValidationError as error:
        subject, found = _subject(str(error).replace(f"{folder}/", ""))
        return [_complaint(CHECKED, subject, found, path)]
    except (RuntimeError, ValueError) as error:
        return [_complaint(CHECKED, "the model", _first_line(str(error)), path)]
    return []


def _subject(said: str) -> tuple[str, str]:
    """Whom a complaint of the checker is about, and what it says of it."""
    if found := _NODE.search(said):
        return node_named(found["name"], found["op"]), _first_line(said)
    if found := _UNSORTED.search(said):
        name = show(found["input"])
        return node_named(found["name"], found["op"]), f"no node before it makes its input {name}"
    if said.startswith("Field '"):
        # Of onnx.proto's messages, which it does not say of whom.
        return "the model", _first_line(said)
    if found := _TENSOR.search(said) or _QUOTED.search(said):
        name = found["name"] or found["first"]
        return f"tensor {show(name)}", _first_line(said)
    return "the model", _first_line(said)


def shapes(model: onnx.ModelProto, path: str) -> list[Point]:
    """What strict inference says, node by node."""
    try:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        said = str(error)
        points = [
            _complaint(
                SHAPES, node_named(each["name"] or "", each["op"]), _bare(each["said"]), path
            )
            for each in _INFERENCE.finditer(said)
        ]
        return _cut(points or [_complaint(SHAPES, "the model", _bare(said), path)], SHAPES, path)
    except (RuntimeError, ValueError) as error:
        return [_complaint(SHAPES, "the model", _first_line(str(error)), path)]
    return []


def _bare(said: str) -> str:
    """Without the kinds of error that it puts in front."""
    return _first_line(re.sub(r"^(\[\w+\] ?)+", "", said))


def _first_line(said: str) -> str:
    return said.strip().partition("\n")[0].strip()


def _cut(points: list[Point], rule: Rule, path: str) -> list[Point]:
    more = len(points) - SHOWN_MAX
    if more <= 0:
        return points
    rest = _complaint(rule, "the model", f"found {more} more of this kind", path)
    return [*points[:SHOWN_MAX], rest]


def _complaint(rule: Rule, subject: str, found: str, path: str, expected: str = "") -> Point:
    return point(rule, Weight.DOUBTS, subject=subject, found=found, expected=expected, path=path)
