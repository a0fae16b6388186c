"""Files for people and for tokenizers: texts, cards, YAML, scripts, notebooks, lists of tokens.

Text does nothing by itself. What is proved is that it is text to the last byte, and no pickle of
protocol 0, which is made of printable characters (`Lib/pickletools.py` of CPython).
"""

from __future__ import annotations

import base64
import binascii
import codecs
import encodings.utf_8_sig  # noqa: F401 - nothing can be imported once it is needed
import re
from collections.abc import Iterator
from typing import Any

import yaml

from registry.errors import InvalidFieldError, TooLargeError
from registry.formats import card, foreign, json_file
from registry.formats.look import Look, Rule, StopLooking, quoted
from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.source import pieces

YAML_BYTES_MAX = 500_000
YAML_DEPTH_MAX = 64
ALIASES_MAX = 1000
TOKENS_BYTES_MAX = 64 * 1024 * 1024

_SAVE = "Save the file as text in UTF-8, and push a new version."
TEXT = Rule("TEXT-1", "The file is text in UTF-8 without control characters.", _SAVE)
NO_PICKLE = Rule(
    "TEXT-2",
    "The text is none that a reader of pickles would obey.",
    "Push what the name says, and convert a model to safetensors, ONNX or GGUF.",
)
CARD = Rule(
    "CARD-1",
    "A model card's metadata is plain YAML between two lines `---`.",
    "Mend the metadata on top of README.md.",
)
CARD_SIZE = Rule(
    "CARD-2",
    "A model card and its metadata are of a size that is read.",
    "Move long parts to files of their own.",
)
YAML = Rule(
    "YAML-1",
    "The file is YAML that libraries read alike, with each key once.",
    "Write the file again with a YAML library, and push a new version.",
)
YAML_PLAIN = Rule(
    "YAML-2",
    "YAML holds plain values: no tags that build objects, no anchors within anchors.",
    "Write the values out, without `!`, `&` and `*`.",
)
YAML_SIZE = Rule(
    "YAML-3",
    f"YAML has one document of at most {YAML_BYTES_MAX:,} bytes.",
    "Split the file, or write JSON.",
)
TOKENS = Rule(
    "TOKENS-1",
    "Each line of a list of tokens is a token in base64 and its number.",
    "Write the tokenizer again with its library, and push a new version.",
)
DOWNLOADED = Rule(
    "CODE-3",
    "A script pipes nothing that it downloads or decodes into a shell, and opens no socket to it.",
    "Put what is to be run into the script, and leave downloading to whoever installs it.",
)
RULES = (
    DOWNLOADED,
    TEXT,
    NO_PICKLE,
    CARD,
    CARD_SIZE,
    YAML,
    YAML_PLAIN,
    YAML_SIZE,
    TOKENS,
)

_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13}) + b"\x7f"
_BRACKETS = re.compile(r"[][{}]")
_BRACKETS_MAX = 200
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{each}" for each in ("str", "int", "float", "bool", "null", "map", "seq")
)
_SHELL = r"(?:sudo\s+)?(?:/bin/|/usr/bin/)?(?:ba|z|da|k)?sh\b"
_PIPED = re.compile(
    rf"\b(?:curl|wget|base64)\b[^\n|;&]{{0,300}}\|\s*{_SHELL}"
    rf"|{_SHELL}\s+-c\s+[\"']?\$\((?:curl|wget)\b|/dev/(?:tcp|udp)/"
)
#: As the SPDX License List has them (https://spdx.org/licenses/), by what hubs write.
_SPDX = {
    each.lower(): each
    for each in [
        "AFL-3.0",
        "AGPL-3.0",
        "Apache-2.0",
        "Artistic-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSL-1.0",
        "CC0-1.0",
        "CC-BY-2.0",
        "CC-BY-2.5",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-NC-2.0",
        "CC-BY-NC-3.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-ND-3.0",
        "CC-BY-NC-ND-4.0",
        "CC-BY-NC-SA-2.0",
        "CC-BY-NC-SA-3.0",
        "CC-BY-NC-SA-4.0",
        "CC-BY-ND-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "CDLA-Permissive-1.0",
        "CDLA-Permissive-2.0",
        "CDLA-Sharing-1.0",
        "ECL-2.0",
        "EPL-1.0",
        "EPL-2.0",
        "EUPL-1.1",
        "EUPL-1.2",
        "GPL-2.0",
        "GPL-3.0",
        "ISC",
        "LGPL-2.1",
        "LGPL-3.0",
        "LPPL-1.3c",
        "MIT",
        "MPL-2.0",
        "MS-PL",
        "NCSA",
        "ODbL-1.0",
        "OFL-1.1",
        "OSL-3.0",
        "PDDL-1.0",
        "PostgreSQL",
        "Unlicense",
        "WTFPL",
        "Zlib",
    ]
} | {"odbl": "ODbL-1.0", "pddl": "PDDL-1.0", "etalab-2.0": "etalab-2.0"}


def read(look: Look) -> None:
    """Any text."""
    if looks_like_pickle(look.source):
        look.refuse(NO_PICKLE, "found opcodes that import and call", offset=0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    at = 0
    for piece in pieces(look.source):
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as error:
            look.stop(TEXT, "found what is no UTF-8", offset=at + error.start)
        if len(piece.translate(None, _CONTROL)) != len(piece):
            where = next(n for n, byte in enumerate(piece) if byte in _CONTROL)
            look.stop(TEXT, f"found byte 0x{piece[where]:02x}", offset=at + where)
        at += len(piece)
    if decoder.getstate()[0]:
        look.stop(TEXT, "found a character that is cut", offset=at)


def read_text(look: Look) -> None:
    """A text for people: nothing runs it, by its name."""
    foreign.check_script(look)
    read(look)


def read_code(look: Look) -> None:
    """A script. Facts: `code_present`."""
    look.facts["code_present"] = True
    read(look)
    for piece in pieces(look.source):
        check_piped(look, piece.decode("utf-8", "replace"))


def check_piped(look: Look, text: str) -> None:
    """Code from elsewhere that a script obeys. A tripwire: nobody proves what a script does."""
    if found := _PIPED.search(text):
        look.refuse(DOWNLOADED, f"found {quoted(found[0])}")


def read_card(look: Look) -> None:
    """Facts: `license` as SPDX has it, or `LicenseRef-...`; `base_models`, `tags`, `task`,
    `library`, `languages`."""
    read_text(look)
    size_bytes = look.source.size_bytes
    if size_bytes > card.CARD_BYTES_MAX:
        look.doubt(CARD_SIZE, f"found {size_bytes} bytes")
        raise StopLooking
    try:
        found = card.parse_card(look.source.read(0, size_bytes))
    except TooLargeError as error:
        look.doubt(CARD_SIZE, quoted(str(error)))
        raise StopLooking from None
    except InvalidFieldError as error:
        look.stop(CARD, quoted(str(error)))
    fields = card.card_fields(found.metadata_json)
    facts = {
        "license": spdx(fields.license),
        "base_models": list(fields.base_models),
        "tags": list(fields.tags),
        "task": fields.task,
        "library": fields.library,
        "languages": list(fields.languages),
    }
    look.facts.update({key: value for key, value in facts.items() if value})


def spdx(license: str) -> str:
    """The SPDX identifier of what a card says; a reference of its own for what has none."""
    if not license:
        return ""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", license).strip("-")
    return _SPDX.get(license.lower(), f"LicenseRef-{plain}" if plain else "")


def read_yaml(look: Look) -> None:
    """Settings in YAML, judged as those in JSON are."""
    read(look)
    size_bytes = look.source.size_bytes
    if size_bytes > YAML_BYTES_MAX:
        look.doubt(YAML_SIZE, f"found {size_bytes} bytes")
        raise StopLooking
    text = look.source.read(0, size_bytes).decode("utf-8-sig")
    _check_brackets(look, text)
    try:
        for each in _yaml_objects(look, text):
            json_file.judge(look, each)
    except yaml.YAMLError as error:
        look.stop(YAML, quoted(str(getattr(error, "problem", None) or "what is no YAML")))


def _check_brackets(look: Look, text: str) -> None:
    """Before the library, to which each that is open costs time at every word behind it. In texts
    brackets come in pairs as well."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth = max(0, depth + (1 if match[0] in "[{" else -1))
        if depth > _BRACKETS_MAX:
            look.stop(YAML, "found deeper nesting", offset=match.start())


def _yaml_objects(look: Look, text: str) -> Iterator[dict[str, Any]]:  # noqa: C901 - rows
    """The document, a map or list, built without recursion, as whoever loads it sees it: aliases
    stand for what they name, and maps hold what is merged into them."""
    anchors: dict[str, Any] = {}
    #: What is open: a list or map, the key that waits for its value, whether it is anchored.
    stack: list[tuple[Any, list[str], bool]] = []
    documents = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        look.budget.step()
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                look.doubt(YAML_SIZE, f"found a second document in line {line}")
        _check_tag(look, event, line)
        anchored = getattr(event, "anchor", None) is not None
        inside = anchored or bool(stack and stack[-1][2])
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
            if (stack and stack[-1][2]) or aliases > ALIASES_MAX:
                look.stop(YAML_PLAIN, f"found an alias within an anchor in line {line}")
            _put(look, stack, anchors.get(event.anchor or ""), line)
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor:
                anchors[event.anchor] = event.value
            _put(look, stack, event.value, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            if event.anchor:
                anchors[event.anchor] = value
            _put(look, stack, value, line)
            stack.append((value, [], inside))
            if len(stack) > YAML_DEPTH_MAX:
                look.stop(YAML, f"found deeper nesting in line {line}")
        elif isinstance(event, yaml.CollectionEndEvent):
            value = stack.pop()[0]
            if isinstance(value, dict) and "<<" in value:
                _merge(look, value)
            if not stack:
                yield value if isinstance(value, dict) else {"": value}


def _merge(look: Look, value: dict[str, Any]) -> None:
    """Add what `<<` names: a map, or a list of them (https://yaml.org/type/merge.html)."""
    named = value["<<"]
    for each in named if isinstance(named, list) else [named]:
        if isinstance(each, dict):
            look.budget.step(len(each))
            for key, inner in each.items():
                value.setdefault(key, inner)


def _check_tag(look: Look, event: yaml.Event, line: int) -> None:
    tags = getattr(event, "tags", None)
    tag = getattr(event, "tag", None)
    if tags or (tag is not None and tag not in _PLAIN_TAGS and tag != "!"):
        look.stop(YAML_PLAIN, f"found tag {quoted(tag or tags)} in line {line}")


def _put(look: Look, stack: list[tuple[Any, list[str], bool]], value: Any, line: int) -> None:
    if not stack:
        return
    into, keys, _ = stack[-1]
    if isinstance(into, list):
        into.append(value)
    elif keys:
        into[keys.pop()] = value
    else:
        if not isinstance(value, str):
            look.stop(YAML, f"found a key that is no text in line {line}")
        if value in into:
            look.stop(YAML, f"found key {quoted(value)} twice in line {line}")
        keys.append(value)
        into[value] = None


def read_tiktoken(look: Look) -> None:
    """tiktoken's list of tokens. Facts: `vocabulary`."""
    read(look)
    if look.source.size_bytes > TOKENS_BYTES_MAX:
        look.stop(TOKENS, f"found {look.source.size_bytes} bytes")
    lines = look.source.read(0, look.source.size_bytes).splitlines()
    look.budget.step(len(lines))
    for number, line in enumerate(lines, start=1):
        token, _, rank = line.partition(b" ")
        try:
            base64.b64decode(token, validate=True)
        except binascii.Error:
            rank = b""
        if not rank.isdigit() or len(rank) > 9:
            look.stop(TOKENS, f"found line {number}: {quoted(line)}")
    look.facts["vocabulary"] = len(lines)
