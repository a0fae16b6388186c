"""Model cards: README.md with a metadata block on top, in the form Hugging Face made common.

    ---
    license: mit
    base_model: acme/base
    ---
    # What the model is for

The block is YAML, and whoever wrote it is not trusted. So it is read strictly: at most 256 kB, no
anchors, aliases, tags or directives, no key twice, and scalars by YAML 1.2's core schema, in which
`no` is the code of Norwegian, not false, and dates stay text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from registry.domain.canonical import Json, canonical_json
from registry.domain.versions import Card
from registry.errors import InvalidFieldError, TooLargeError

CARD_PATH = "README.md"
CARD_BYTES_MAX = 1_000_000
#: Cards with the results of a large benchmark have some 200 kB.
BLOCK_BYTES_MAX = 256_000
#: Keys, values, and beginnings and ends of lists: so many are read in a second or two.
PARTS_MAX = 60_000
DEPTH_MAX = 16
METRICS_MAX = 1_000

_OPENING = re.compile(r"---[ \t]*\r?\n")
_CLOSING = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_FLOAT = re.compile(r"[-+]?(?=[0-9]*[.eE])(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True} | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
#: The keys of a good card, in the order in which they are asked for.
_WANTED = ("license", "pipeline_tag", "library_name", "tags")


@dataclass(frozen=True, kw_only=True)
class CardFields:
    """What a card's block says of the model; empty where it says nothing of the right type."""

    license: str = ""
    task: str = ""
    library: str = ""
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    #: From `model-index`: "<data set> <metric>" and the value; finite, in the card's order.
    metrics: tuple[tuple[str, float], ...] = ()


def parse_card(data: bytes, *, field: str = CARD_PATH) -> Card:
    """The card in the bytes of a README.md; one without a block has the metadata `{}`.

    A block is opened by `---` in the first line and closed by the next line that is `---`; without
    the second there is none, as `---` also draws a rule. Known keys of a wrong type count as
    missing, everything else in the block is kept as it is.

    Raises TooLargeError past 1 MB, or 256 kB or 60,000 parts for the block; InvalidFieldError, with
    the line, where the text is no UTF-8 or the block breaks a rule above.
    """
    if len(data) > CARD_BYTES_MAX:
        raise TooLargeError(
            what=field,
            found=f"{len(data)} bytes",
            limit=f"{CARD_BYTES_MAX} bytes",
            fix="Keep the card short and move long parts and pictures to files beside it.",
        )
    block, body = split_card(_decode(data, field), field=field)
    metadata = _read_block(block, field)
    canonical = canonical_json(metadata, field=field).decode()
    fields = card_fields(canonical)
    return Card(
        metadata_json=canonical,
        text=body,
        license=fields.license,
        base_models=fields.base_models,
        missing=_missing(fields, body),
    )


def card_fields(metadata_json: str) -> CardFields:
    """The well-known fields of a card's `metadata_json`."""
    metadata = json.loads(metadata_json)
    licenses = _words(metadata.get("license"))
    return CardFields(
        license=licenses[0] if len(licenses) == 1 else "",
        task=_word(metadata.get("pipeline_tag")),
        library=_word(metadata.get("library_name")),
        tags=_words(metadata.get("tags")),
        languages=_words(metadata.get("language")),
        base_models=_words(metadata.get("base_model")),
        metrics=tuple(dict(_metrics(metadata.get("model-index"))).items())[:METRICS_MAX],
    )


def split_card(text: str, *, field: str = CARD_PATH) -> tuple[str, str]:
    """The text of the metadata block, empty where there is none, and what follows it."""
    opening = _OPENING.match(text)
    closing = _CLOSING.search(text, opening.end()) if opening else None
    if opening is None or closing is None:
        return "", text
    block = text[opening.end() : closing.start()]
    size_bytes = len(block.encode())
    if size_bytes > BLOCK_BYTES_MAX:
        raise TooLargeError(
            what=f"{field}: the metadata block",
            found=f"{size_bytes} bytes",
            limit=f"{BLOCK_BYTES_MAX} bytes",
            fix="Move what is long below the block or into a file of its own.",
        )
    return block, text[closing.end() :].lstrip("\r\n")


def _decode(data: bytes, field: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        found = f"byte 0x{data[cause.start]:02x}, which is no UTF-8, in line {line}"
        raise InvalidFieldError(
            field=field, found=found, expected="text in UTF-8", fix="Save the file as UTF-8."
        ) from cause


def _missing(fields: CardFields, body: str) -> tuple[str, ...]:
    there = {
        "license": fields.license,
        "pipeline_tag": fields.task,
        "library_name": fields.library,
        "tags": fields.tags,
    }
    missing = tuple(key for key in _WANTED if not there[key])
    return missing if body.strip() else (*missing, "description")


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _words(value: Json) -> tuple[str, ...]:
    """One word or a list of them; each once, empty ones dropped."""
    values = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(v for v in values if isinstance(v, str) and v))


def _metrics(index: Json) -> Iterator[tuple[str, float]]:
    for entry in _objects(index):
        for result in _objects(entry.get("results")):
            dataset = result.get("dataset")
            dataset = dataset if isinstance(dataset, dict) else {}
            where = _word(dataset.get("name")) or _word(dataset.get("type"))
            for metric in _objects(result.get("metrics")):
                name = _word(metric.get("type")) or _word(metric.get("name"))
                value = metric.get("value")
                if name and isinstance(value, int | float) and not isinstance(value, bool):
                    yield f"{where} {name}".strip(), float(value)


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


# --- The block ------------------------------------------------------------------------------------


def _read_block(block: str, field: str) -> dict[str, Json]:
    # PyYAML's own parser is memory-safe Python, and lazy: what breaks a rule ends it on the spot.
    try:
        value = _Reader(yaml.parse(block, Loader=yaml.SafeLoader), field).document()
    except yaml.YAMLError as cause:
        raise _broken(cause, block, field) from cause
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        fix = "Write `key: value` lines between the two `---`."
        raise _refusal(field, 2, kind, "keys with values", fix)
    return value


class _Reader:
    """Builds plain values from parser events and refuses whatever is not needed in a card."""

    def __init__(self, events: Iterator[yaml.Event], field: str) -> None:
        self._events = events
        self._field = field
        self._left = PARTS_MAX

    def document(self) -> Json:
        """The block's one document; None for an empty block."""
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        if isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
            raise self._refuse(event, "a directive", "plain YAML", "Remove the line with `%`.")
        value = self._value(self._next(), depth=0)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refuse(event, "a second document", "one", "Remove the line `...`.")
        return value

    def _next(self) -> yaml.Event:
        self._left -= 1
        if self._left < 0:
            raise TooLargeError(
                what=f"{self._field}: the metadata block",
                found=f"more than {PARTS_MAX} keys and values",
                limit=f"{PARTS_MAX}",
                fix="Move what is long below the block or into a file of its own.",
            )
        return next(self._events)

    def _value(self, event: yaml.Event, depth: int) -> Json:
        self._check(event, depth)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(depth)
        return self._object(depth)

    def _check(self, event: yaml.Event, depth: int) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            fix = "Write the value out at each place."
            raise self._refuse(event, "an anchor or alias", "values without `&` and `*`", fix)
        if getattr(event, "tag", None) is not None:
            fix = "Put the text in quotes, or remove the word with `!`."
            raise self._refuse(event, "a tag", "values without `!`", fix)
        if depth > DEPTH_MAX:
            expected = f"at most {DEPTH_MAX} levels"
            raise self._refuse(event, "deeper nesting", expected, "Flatten it.")

    def _list(self, depth: int) -> list[Json]:
        values: list[Json] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _object(self, depth: int) -> dict[str, Json]:
        values: dict[str, Json] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            self._check(event, depth + 1)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refuse(event, "a list or object as key", "text", "Use a plain key.")
            key = _joined(event.value)
            if key in values:
                found = f"the key {key!r} again"
                raise self._refuse(event, found, "each key once", "Leave one of them out.")
            values[key] = self._value(self._next(), depth + 1)
        return values

    def _refuse(self, event: yaml.Event, found: str, expected: str, fix: str) -> InvalidFieldError:
        line = event.start_mark.line if event.start_mark else 0
        return _refusal(self._field, line + 2, found, expected, fix)


def _scalar(event: yaml.ScalarEvent) -> Json:
    text = _joined(event.value)
    if event.style is not None:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        number = int(text)
        return number if -(2**63) <= number < 2**63 else text
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _joined(text: str) -> str:
    """The text with escaped surrogate pairs as one character each, as JSON means them."""
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _broken(cause: yaml.YAMLError, block: str, field: str) -> InvalidFieldError:
    line, found = 2, "what is no YAML"
    if isinstance(cause, yaml.MarkedYAMLError):
        found = (cause.problem or found).removeprefix("found ")
        line += getattr(cause.problem_mark, "line", 0)
    elif isinstance(cause, yaml.reader.ReaderError):
        found = f"the character U+{ord(block[cause.position]):04X}"
        line += block.count("\n", 0, cause.position)
    fix = "Mend the YAML there; text with a colon needs quotes."
    return _refusal(field, line, found, "valid YAML", fix)


def _refusal(field: str, line: int, found: str, expected: str, fix: str) -> InvalidFieldError:
    return InvalidFieldError(
        field=field,
        found=f"{found} in line {line}",
        expected=expected,
        fix=fix,
    )
