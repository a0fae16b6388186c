"""Messages of TensorFlow's in text form, .pbtxt: graphs, SavedModels, labels, servers' settings.

TensorFlow loads a saved_model.pbtxt as it does a saved_model.pb. A graph is not proved in this
form; what its operators do to whoever runs it is told all the same.

Source: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re

from registry.formats import tensorflow, tensorflow_operators, text_file
from registry.formats.look import Effect, Look, Rule, SpentError, quoted

TEXT_BYTES_MAX = 64 * 1024 * 1024

FORM = Rule(
    "PBTXT-1",
    "A graph is in TensorFlow's binary form; in text are labels and settings alone.",
    "Save the model with tf.saved_model.save, and push its saved_model.pb.",
)
SPELLING = Rule(
    "PBTXT-2",
    "Texts have an end, and a graph in text names its operators in plain words.",
    "Save the model with tf.saved_model.save, and push its saved_model.pb.",
)
RULES = (FORM, SPELLING)

#: Comments and blanks, which say nothing; then texts, names, and any other character.
_TOKEN = re.compile(
    r"""\#[^\n]*|\s+|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|([A-Za-z_]\w*)|.""", re.DOTALL
)
_WORD = re.compile(r"[\"'](\w+)[\"']")
_GRAPHS = frozenset(("node", "node_def", "graph_def", "meta_graphs"))


def read_graph(look: Look) -> None:
    """A .pbtxt of any message. Facts: `operators`, where there are some."""
    # Where something is wrong with it already, more is not to be said.
    if _text(look) and look.book.is_sound:
        look.doubt(FORM, "found a graph in text form")


def read_model(look: Look) -> None:
    """A saved_model.pbtxt. Facts: `operators`."""
    _text(look)
    if look.book.is_sound:
        look.doubt(FORM, "found a SavedModel in text form")


def _text(look: Look) -> bool:
    """Whether it is a graph; what is wrong with its operators is noted."""
    text_file.read_text(look)
    if look.source.size_bytes > TEXT_BYTES_MAX:
        raise SpentError("it is longer than what is looked at")
    text = look.source.read(0, look.source.size_bytes).decode("utf-8-sig")
    operators, is_graph = _operators(look, text)
    for name in sorted(operators):
        verdict = tensorflow_operators.verdict(name)
        if verdict is not None and name not in tensorflow_operators.SAVER:
            note = look.refuse if verdict.effect is Effect.FAIL else look.doubt
            note(tensorflow.OPERATOR, f"found {quoted(name)}, which {verdict.reason}")
    if operators:
        look.facts["operators"] = [{"op_type": name} for name in sorted(operators)]
    return bool(operators) or is_graph


def _operators(look: Look, text: str) -> tuple[set[str], bool]:
    """What fields `op` hold, and whether there are fields of graphs."""
    found: set[str] = set()
    is_graph = False
    #: The last two that say something.
    before, last = "", ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == "#" or token.isspace():
            continue
        look.budget.step()
        is_text = bool(match[1])
        if token in ("'", '"'):
            # To look for the end of each one that has none would take time by the square.
            look.stop(SPELLING, "found a text without an end", offset=match.start())
        if (before, last) == ("op", ":"):
            word = _WORD.fullmatch(token) if is_text else None
            if word is None:
                look.stop(SPELLING, f"found {quoted(token)} as an operator", offset=match.start())
            found.add(word[1])
            # A text behind a text goes on with it.
            before, last = "", "op's text"
            continue
        if is_text and last == "op's text":
            look.stop(SPELLING, f"found {quoted(token)} behind a name", offset=match.start())
        is_graph = is_graph or (last in _GRAPHS and token in ("{", "<", ":"))
        before, last = last, "" if is_text else token
    return found, is_graph
