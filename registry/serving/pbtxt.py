"""config.pbtxt: what Triton takes a model's configuration from, in protobuf's text format.

Source: protobuf.dev/reference/protobuf/textformat-spec. Triton reads it with C++'s
`TextFormat::Parse`, and of what that finds it tells clients nothing but "failed to poll from model
repository": so this says line and column, what was found and what was expected.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import (
    descriptor_pb2,  # noqa: F401 - protobuf imports it where nothing can be
    text_format,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tritonclient.grpc import model_config_pb2

from registry.formats.look import quoted
from registry.serving.points import NOWHERE, Position

#: Configurations have some kilobytes; the largest that Triton's own tests have is under 100.
CONFIG_BYTES_MAX = 1024 * 1024
#: The message's own fields nest to five.
DEPTH_MAX = 50

_OPENING = {"{": "}", "<": ">"}
_QUOTES = ("'", '"')
#: More names than that nobody reads.
_SHOWN_MAX = 20
_BYTE_ORDER_MARK = "\ufeff"
_LONE_SIGN = re.compile(r"-\s")
_NO_UTF8 = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a config.pbtxt says, and where it says it."""

    #: An `inference.ModelConfig`.
    message: Any
    #: Of each field that is written down, by its way there: `input[1].dims[0]`,
    #: `parameters["execution_mode"].string_value`. Of its name; of elements in brackets, their own.
    positions: Mapping[str, Position]

    def at(self, way: str) -> Position:
        """Of a field, or of what it would be in: `input[1].data_type` is at `input[1]` where it
        is not written down."""
        while way not in self.positions:
            parent = _parent(way)
            if parent == way:
                return NOWHERE
            way = parent
        return self.positions[way]


class PbtxtError(Exception):
    """A text that is no configuration."""

    def __init__(
        self, found: str, expected: str = "", fix: str = "", position: Position = NOWHERE
    ) -> None:
        super().__init__(f"{found}, expected {expected}" if expected else found)
        self.found = found
        self.expected = expected
        self.fix = fix
        self.position = position


def parse(data: bytes) -> Config:
    """The configuration in a file's bytes. PbtxtError where Triton would find none, and for files
    of more than a MiB or 50 messages in messages."""
    text = _joined(_text(data))
    unclosed = _unclosed(text)
    message = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise _plain(error, text, unclosed) from error
    except ValueError as error:
        # Of numbers that an enum cannot hold, protobuf tells nothing more.
        raise PbtxtError(f"a value that its field cannot hold: {quoted(str(error))}") from error
    return Config(message=message, positions=_positions(text))


def empty(name: str) -> Config:
    """What Triton takes where a model has no config.pbtxt."""
    return Config(message=model_config_pb2.ModelConfig(name=name), positions={})


def keyed(field: str, key: object) -> str:
    """The way to a map's value."""
    return f'{field}["{key}"]'


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that was likely meant; empty where none is near."""
    known = list(names)
    by_case = {each.casefold(): each for each in known}
    if name.casefold() in by_case:
        return by_case[name.casefold()]
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), "")


def _parent(way: str) -> str:
    """`a[1].b` of `a[1].b[2]` and `a[1]` of that; keys may have dots and brackets of their own."""
    if way.endswith('"]'):
        return way[: way.rindex('["')]
    if way.endswith("]"):
        return way[: way.rindex("[")]
    dot = way.rfind(".")
    return way if dot < 0 else way[:dot]


def _text(data: bytes) -> str:
    if len(data) > CONFIG_BYTES_MAX:
        raise PbtxtError(
            f"{len(data):,} bytes",
            f"at most {CONFIG_BYTES_MAX:,}",
            "Leave what is no configuration out of config.pbtxt.",
        )
    # What is no UTF-8 becomes half a surrogate pair: no harm in a comment, and found elsewhere.
    text = data.decode(errors="surrogateescape")
    if text.startswith(_BYTE_ORDER_MARK):
        fix = "Save config.pbtxt in UTF-8 without it."
        raise PbtxtError("a byte order mark", "the name of a field", fix, Position(1, 1))
    if "\0" in text:
        raise PbtxtError(
            "a NUL character",
            "text",
            "Write config.pbtxt anew in a text editor.",
            _position_of(text[: text.index("\0")]),
        )
    return text


def _position_of(before: str) -> Position:
    """Of what comes behind a piece from the beginning."""
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _unclosed(text: str) -> list[tuple[str, Position]]:
    """Braces that nothing closes, with where they are. PbtxtError where they nest too deep, since
    the parser goes one call deeper for each, and for what is no UTF-8 outside comments."""
    tokens = _tokens(text)
    opened: list[tuple[str, Position]] = []
    while not tokens.AtEnd():
        token = tokens.token
        tokens.NextToken()
        if byte := _NO_UTF8.search(token):
            # Seen to end Triton 24.10's whole server, in a text.
            raise PbtxtError(
                f"byte {ord(byte[0]) - 0xDC00:#04x}, which is no UTF-8",
                "text in UTF-8",
                "Save config.pbtxt in UTF-8.",
                _last(tokens),
            )
        if token in _OPENING:
            opened.append((token, _last(tokens)))
            if len(opened) > DEPTH_MAX:
                raise PbtxtError(
                    f"messages in messages, {len(opened)} deep",
                    f"at most {DEPTH_MAX}",
                    "Close each message with '}' where it ends.",
                    _last(tokens),
                )
        elif opened and token == _OPENING[opened[-1][0]]:
            opened.pop()
    return opened


def _joined(text: str) -> str:
    """With each sign before its number: Triton lets blanks between them, Python's parser none."""
    if not _LONE_SIGN.search(text):
        return text
    lines = text.split("\n")
    tokens = _tokens(text)
    sign = NOWHERE
    while not tokens.AtEnd():
        token = tokens.token
        tokens.NextToken()
        at = _last(tokens)
        if at.line == sign.line and token[0] in ".0123456789":
            line = lines[at.line - 1]
            blanks = " " * (at.column - sign.column - 1)
            lines[at.line - 1] = f"{line[: sign.column - 1]}{blanks}-{line[at.column - 1 :]}"
        sign = at if token == "-" else NOWHERE
    return "\n".join(lines)


def _tokens(text: str) -> text_format.Tokenizer:
    return text_format.Tokenizer(text.split("\n"))


def _last(tokens: text_format.Tokenizer) -> Position:
    """Of the token before the one that comes next, as the tokenizer tells it of an error there. Of
    the next one it would quote the line, which may be the whole file, for each token."""
    error = tokens.ParseErrorPreviousToken("")  # type: ignore[arg-type]  # stub: a Message
    return Position(error.GetLine() or 0, error.GetColumn() or 0)


def _positions(text: str) -> dict[str, Position]:
    """Of all fields of a text that was parsed already, so each token is what it has to be."""
    positions: dict[str, Position] = {}
    tokens = _tokens(text)
    _walk(tokens, model_config_pb2.ModelConfig.DESCRIPTOR, "", "", positions)
    return positions


def _walk(
    tokens: text_format.Tokenizer,
    descriptor: Descriptor,
    prefix: str,
    end: str,
    positions: dict[str, Position],
) -> None:
    """All fields of one message, up to behind what ends it."""
    counts: Counter[str] = Counter()
    while not (tokens.TryConsume(end) if end else tokens.AtEnd()):
        field = descriptor.fields_by_name[tokens.ConsumeIdentifierOrNumber()]
        at = _last(tokens)
        way = f"{prefix}{field.name}"
        positions.setdefault(way, at)
        tokens.TryConsume(":")
        if not field.is_repeated:
            _value(tokens, field, way, at, positions)
        elif not tokens.TryConsume("["):
            _element(tokens, field, f"{way}[{counts[way]}]", at, positions)
            counts[way] += 1
        else:
            while not tokens.TryConsume("]"):
                _element(tokens, field, f"{way}[{counts[way]}]", None, positions)
                counts[way] += 1
                tokens.TryConsume(",")
        _separate(tokens)


def _separate(tokens: text_format.Tokenizer) -> None:
    if not tokens.TryConsume(","):
        tokens.TryConsume(";")


def _element(
    tokens: text_format.Tokenizer,
    field: FieldDescriptor,
    way: str,
    at: Position | None,
    positions: dict[str, Position],
) -> None:
    """One of a repeated field: of a map, by its key, which may be written behind the value."""
    if field.message_type is None or not field.message_type.GetOptions().map_entry:
        _value(tokens, field, way, at, positions)
        return
    inside: dict[str, Position] = {}
    end = _open(tokens)
    begin = _last(tokens)
    entry = keyed(way[: way.rindex("[")], _entry(tokens, field.message_type, end, inside))
    positions[entry] = at or begin
    for name, position in inside.items():
        if name.startswith("value."):
            positions[f"{entry}.{name.removeprefix('value.')}"] = position


def _entry(
    tokens: text_format.Tokenizer,
    descriptor: Descriptor,
    end: str,
    inside: dict[str, Position],
) -> object:
    """The rest of a map's entry: its key, and where the fields of its value are."""
    key: object = "" if descriptor.fields_by_name["key"].type == FieldDescriptor.TYPE_STRING else 0
    while not tokens.TryConsume(end):
        field = descriptor.fields_by_name[tokens.ConsumeIdentifierOrNumber()]
        tokens.TryConsume(":")
        if field.name == "value":
            _value(tokens, field, "value", NOWHERE, inside)
        elif field.type == FieldDescriptor.TYPE_STRING:
            key = tokens.ConsumeString()
        else:
            key = tokens.ConsumeInteger()
        _separate(tokens)
    return key


def _value(
    tokens: text_format.Tokenizer,
    field: FieldDescriptor,
    way: str,
    at: Position | None,
    positions: dict[str, Position],
) -> None:
    """A value, which is where its field's name is, or in brackets where it begins itself."""
    if field.message_type is not None:
        end = _open(tokens)
        positions[way] = at or _last(tokens)
        _walk(tokens, field.message_type, f"{way}.", end, positions)
        return
    tokens.NextToken()
    positions[way] = at or _last(tokens)
    while field.type == FieldDescriptor.TYPE_STRING and tokens.token.startswith(_QUOTES):
        # One text in several pieces.
        tokens.NextToken()


def _open(tokens: text_format.Tokenizer) -> str:
    """Behind what opens a message; what will close it."""
    if tokens.TryConsume("<"):
        return ">"
    tokens.Consume("{")
    return "}"


def _plain(
    error: text_format.ParseError, text: str, unclosed: list[tuple[str, Position]]
) -> PbtxtError:
    """What the parser says, in words that tell how to mend it."""
    position = Position(error.GetLine() or 0, error.GetColumn() or 0)
    said, at_end = _said(error, text, position)
    if at_end and unclosed:
        brace, opened = unclosed[-1]
        found = f"the end of the file, with the {brace!r} of line {opened.line} still open"
        fix = "Close each message that is opened."
        return PbtxtError(found, f"{_OPENING[brace]!r}", fix, opened)
    token = _END if at_end else quoted(_token_at(text, position))
    for pattern, explain in _EXPLAINED:
        if match := pattern.fullmatch(said):
            return PbtxtError(*explain(match, token), position)
    return PbtxtError(quoted(said), position=position)


def _said(error: text_format.ParseError, text: str, position: Position) -> tuple[str, bool]:
    """The parser's own words, and whether it is at the end. What it quotes before them is the
    file's, which may look like words of the parser."""
    said = str(error).removeprefix(f"{position.line}:{position.column} : ")
    lines = text.split("\n")
    line = lines[position.line - 1] if 0 < position.line <= len(lines) else ""
    # Where nothing is left, it quotes an empty line, or misses what ends a message.
    at_end = said.startswith("'': ") or said in ('Expected "}".', 'Expected ">".')
    return said.removeprefix("'': ").removeprefix(f"'{line}': "), at_end


def _token_at(text: str, position: Position) -> str:
    """The word or sign there; empty at the end."""
    lines = text.split("\n")
    if not 0 < position.line <= len(lines):
        return ""
    rest = lines[position.line - 1][position.column - 1 :]
    match = re.match(r"[\w.+-]+|[\"'].*|\S", rest)
    return match[0] if match else ""


_END = "the end of the file"

#: Found, expected, fix.
_Said = tuple[str, str, str]


def _unknown_field(match: re.Match[str], _token: str) -> _Said:
    kind, name = match[1].rpartition(".")[2], match[2]
    known = _message_type(match[1])
    near = nearest(name, known)
    expected = f"{near!r}" if near else f"one of {_listed(known)}"
    fix = f"Write {near!r}." if near else "Remove it, or move it to the message it belongs to."
    return f"no field {quoted(name)} in {kind}", expected, fix


def _message_type(full_name: str) -> list[str]:
    """Names of its fields."""
    pool = model_config_pb2.DESCRIPTOR.pool
    return [field.name for field in pool.FindMessageTypeByName(full_name).fields]


def _unknown_value(match: re.Match[str], _token: str) -> _Said:
    pool = model_config_pb2.DESCRIPTOR.pool
    enum = pool.FindEnumTypeByName(match[1])
    names = [value.name for value in enum.values]
    # A text where a name belongs is the usual mistake.
    name = match[2].strip("\"'")
    near = name if name in names else nearest(name, names)
    for prefix in ("TYPE_", "KIND_"):
        near = near or (f"{prefix}{name}" if f"{prefix}{name}" in names else "")
    fix = f"Write {near}, without quotes." if near else ""
    return f"{enum.name} {quoted(match[2])}", f"one of {_listed(names)}", fix


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN_MAX
    return ", ".join(names[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _twice(match: re.Match[str], _token: str) -> _Said:
    return f"a second {match[1]!r}", "it once", "Keep one of them."


def _both(match: re.Match[str], _token: str) -> _Said:
    return f"{match[1]!r} beside {match[2]!r}", "one of them", "Keep the one that is meant."


def _sign(match: re.Match[str], token: str) -> _Said:
    return token, f"{match[1]!r}", ""


def _name(_match: re.Match[str], token: str) -> _Said:
    closes = token.strip("'") in _OPENING.values()
    fix = "Remove it, or open the message that it closes." if closes else ""
    return token, "the name of a field", fix


def _no_integer(_match: re.Match[str], token: str) -> _Said:
    return token, "a whole number", "Write a whole number, without quotes."


def _no_float(_match: re.Match[str], token: str) -> _Said:
    return token, "a number", "Write a number, without quotes."


def _too_great(match: re.Match[str], _token: str) -> _Said:
    return f"{quoted(match[1])}", "a number that the field can hold", ""


def _no_text(_match: re.Match[str], token: str) -> _Said:
    return token, "a text in quotes", "Put it in quotes."


def _no_utf8(_match: re.Match[str], _token: str) -> _Said:
    found = "a text before this with bytes that are no UTF-8"
    return found, "text in UTF-8", "Write characters instead of escaped bytes."


def _no_end(_match: re.Match[str], token: str) -> _Said:
    return token, "the quote that ends it in the same line", "End it with its quote."


def _no_bool(_match: re.Match[str], token: str) -> _Said:
    return token, "true or false", "Write true or false, without quotes."


def _extension(_match: re.Match[str], _token: str) -> _Said:
    return "an extension in brackets", "the name of a field", "Remove it: there are none."


#: What `text_format` says, and what that means to whoever wrote the file.
_EXPLAINED: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], _Said]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), explain)
    for pattern, explain in (
        (r'Message type "([\w.]+)" has no field named "(.*)"\.', _unknown_field),
        (r'Enum type "([\w.]+)" has no value named (.*)\.', _unknown_value),
        (r'.* should not have multiple "(\w+)" fields\.', _twice),
        (r'Field "(\w+)" is specified along with field "(\w+)".*', _both),
        (r".* does not have extensions\.", _extension),
        (r"Expected identifier or number, got .*\.", _name),
        (r'Expected "true" or "false"\.', _no_bool),
        (r'Expected "([^"]+)"\.', _sign),
        (r"Couldn't parse integer: .*", _no_integer),
        (r"(?:Couldn't parse float|Invalid octal float): .*", _no_float),
        (r"Value out of range: (.*)", _too_great),
        (r"Expected string but found: .*", _no_text),
        (r"String missing ending quote: .*", _no_end),
        (r"Couldn't parse string: .*", _no_utf8),
    )
)
