"""Pickle's opcodes: a table of all of them, and the stream that they are read from.

Sources: CPython's Lib/pickletools.py (arguments, the protocol that brought each opcode), PEP 307
(protocol 2), PEP 3154 (protocol 4, frames), PEP 574 (protocol 5). Arguments are read as the writers
write them, not as generously as one of the readers takes them: the C reader, the Python reader and
pickletools disagree on signs, spaces, underscores and quotes.
"""

from __future__ import annotations

import codecs
import re
import struct
from dataclasses import dataclass
from enum import Enum, auto

from registry.formats.source import Source

#: Texts up to here are kept as they are: names and keys are short. Of longer ones the length is.
KEPT_CHARS_MAX = 1024
#: Of integers; a generator's state has 16 bytes, and conversion to digits takes time by the square.
LONG_BYTES_MAX = 1024
_LINE_BYTES_MAX = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


class Argument(Enum):
    """What follows an opcode."""

    NOTHING = auto()
    U1 = auto()
    U2 = auto()
    U4 = auto()
    U8 = auto()
    I4 = auto()
    FLOAT8 = auto()
    #: A length of 1, 4 or 8 bytes, little-endian, and as many bytes.
    TEXT1 = auto()
    TEXT4 = auto()
    TEXT8 = auto()
    BYTES1 = auto()
    BYTES4 = auto()
    BYTES8 = auto()
    #: Bytes that Python 2 wrote for its `str`.
    STRING1 = auto()
    STRING4 = auto()
    LONG1 = auto()
    LONG4 = auto()
    #: Up to a line feed.
    INT_LINE = auto()
    LONG_LINE = auto()
    FLOAT_LINE = auto()
    INDEX_LINE = auto()
    STRING_LINE = auto()
    UNICODE_LINE = auto()
    ID_LINE = auto()
    #: Two of them: module and name.
    GLOBAL_LINES = auto()


_NUMBERS = {
    Argument.U1: struct.Struct("<B"),
    Argument.U2: struct.Struct("<H"),
    Argument.U4: struct.Struct("<I"),
    Argument.U8: struct.Struct("<Q"),
    Argument.I4: struct.Struct("<i"),
    Argument.FLOAT8: struct.Struct(">d"),
}


@dataclass(frozen=True, slots=True)
class Opcode:
    name: str
    argument: Argument
    #: The first protocol that has it.
    protocol: int
    #: Of an argument that is a number of so many bytes.
    number: struct.Struct | None


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A text too long to be kept."""

    chars: int
    #: Whether it can stand for bytes, as protocols 0 to 2 have them.
    latin1: bool


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Bytes or a bytearray. Data is never looked into: nobody unpickles it."""

    length: int
    #: A single one as a character; it may stand for a type.
    only: str = ""


class DecodeError(Exception):
    """The stream does not go on as a pickle does. The text says what was found and expected."""


def _table() -> dict[int, Opcode]:
    a = Argument
    rows = (
        (0, "( MARK|. STOP|0 POP|2 DUP|N NONE|R REDUCE|a APPEND|b BUILD", a.NOTHING),
        (0, "d DICT|l LIST|t TUPLE|s SETITEM", a.NOTHING),
        (0, "F FLOAT", a.FLOAT_LINE),
        (0, "I INT", a.INT_LINE),
        (0, "L LONG", a.LONG_LINE),
        (0, "S STRING", a.STRING_LINE),
        (0, "V UNICODE", a.UNICODE_LINE),
        (0, "P PERSID", a.ID_LINE),
        (0, "c GLOBAL|i INST", a.GLOBAL_LINES),
        (0, "g GET|p PUT", a.INDEX_LINE),
        (1, "Q BINPERSID|e APPENDS|o OBJ|u SETITEMS|} EMPTY_DICT|] EMPTY_LIST", a.NOTHING),
        (1, ") EMPTY_TUPLE|1 POP_MARK", a.NOTHING),
        (1, "G BINFLOAT", a.FLOAT8),
        (1, "J BININT", a.I4),
        (1, "K BININT1|h BINGET|q BINPUT", a.U1),
        (1, "M BININT2", a.U2),
        (1, "j LONG_BINGET|r LONG_BINPUT", a.U4),
        (1, "T BINSTRING", a.STRING4),
        (1, "U SHORT_BINSTRING", a.STRING1),
        (1, "X BINUNICODE", a.TEXT4),
        (2, "\x80 PROTO|\x82 EXT1", a.U1),
        (2, "\x83 EXT2", a.U2),
        (2, "\x84 EXT4", a.I4),
        (
            2,
            "\x81 NEWOBJ|\x85 TUPLE1|\x86 TUPLE2|\x87 TUPLE3|\x88 NEWTRUE|\x89 NEWFALSE",
            a.NOTHING,
        ),
        (2, "\x8a LONG1", a.LONG1),
        (2, "\x8b LONG4", a.LONG4),
        (3, "B BINBYTES", a.BYTES4),
        (3, "C SHORT_BINBYTES", a.BYTES1),
        (4, "\x8c SHORT_BINUNICODE", a.TEXT1),
        (4, "\x8d BINUNICODE8", a.TEXT8),
        (4, "\x8e BINBYTES8", a.BYTES8),
        (4, "\x8f EMPTY_SET|\x90 ADDITEMS|\x91 FROZENSET|\x92 NEWOBJ_EX", a.NOTHING),
        (4, "\x93 STACK_GLOBAL|\x94 MEMOIZE", a.NOTHING),
        (4, "\x95 FRAME", a.U8),
        (5, "\x96 BYTEARRAY8", a.BYTES8),
        (5, "\x97 NEXT_BUFFER|\x98 READONLY_BUFFER", a.NOTHING),
    )
    return {
        ord(each[0]): Opcode(each[2:], argument, protocol, _NUMBERS.get(argument))
        for protocol, names, argument in rows
        for each in names.split("|")
    }


OPCODES = _table()
_SIZES = {
    **dict.fromkeys((Argument.TEXT1, Argument.BYTES1, Argument.STRING1), 1),
    **dict.fromkeys((Argument.TEXT4, Argument.BYTES4, Argument.STRING4), 4),
    **dict.fromkeys((Argument.TEXT8, Argument.BYTES8), 8),
}
_INT = re.compile(rb"-?(0|[1-9][0-9]{0,18})")
_LONG = re.compile(rb"-?(0|[1-9][0-9]{0,2399})L?")
_FLOAT = re.compile(rb"-?([0-9]+(\.[0-9]*)?(e[-+]?[0-9]{1,3})?|inf|nan)")
_INDEX = re.compile(rb"0|[1-9][0-9]{0,8}")
_BOOLS = {b"00": False, b"01": True}


class OpcodeReader:
    """Reads opcodes and their arguments in order; long texts and bytes piece by piece. Memory is
    that of a piece, or of a line."""

    def __init__(self, source: Source, at: int = 0) -> None:
        self._source = source
        self._held = b""
        self._held_at = at
        #: Where the next byte lies.
        self.at = at

    @property
    def left(self) -> int:
        return self._source.size_bytes - self.at

    def take(self, length: int) -> bytes:
        """As many bytes; no more than a piece."""
        begin = self.at - self._held_at
        if begin < 0 or begin + length > len(self._held):
            if length > self.left:
                raise DecodeError(f"found {self.left} bytes to the end, expected {length} more")
            self._held = self._source.read(self.at, max(length, _PIECE_BYTES))
            self._held_at, begin = self.at, 0
        self.at += length
        return self._held[begin : begin + length]

    def peek(self) -> bytes:
        """The next byte, or none at the end."""
        found = self.take(min(1, self.left))
        self.at -= len(found)
        return found

    def skip(self, length: int) -> None:
        if length > self.left:
            raise DecodeError(f"found {self.left} bytes to the end, expected {length} more")
        self.at += length

    def opcode(self) -> Opcode:
        code = self.take(1)[0]
        found = OPCODES.get(code)
        if found is None:
            raise DecodeError(f"found byte 0x{code:02x}, expected an opcode")
        return found

    def argument(self, opcode: Opcode) -> object:
        """None; an int, float, str or bool; Text or Data; for a global, a pair of texts."""
        kind, number = opcode.argument, opcode.number
        if kind is Argument.NOTHING:
            return None
        if number is not None:
            return number.unpack(self.take(number.size))[0]
        size = _SIZES.get(kind)
        if size is not None:
            return self._counted(kind, int.from_bytes(self.take(size), "little"))
        if kind in (Argument.LONG1, Argument.LONG4):
            return self._long(1 if kind is Argument.LONG1 else 4)
        if kind is Argument.GLOBAL_LINES:
            return _name(self.line()), _name(self.line())
        return _of_line(kind, self.line())

    def line(self) -> bytes:
        """Up to the next line feed, without it."""
        found = bytearray()
        while True:
            piece = self.take(min(self.left, _PIECE_BYTES if found else 128) or 1)
            end = piece.find(b"\n")
            if end >= 0:
                self.at -= len(piece) - end - 1
                return bytes(found + piece[:end])
            found += piece
            if len(found) > _LINE_BYTES_MAX:
                raise DecodeError(f"found a line of more than {_LINE_BYTES_MAX} bytes")

    def part_of_line(self, length: int) -> bytes:
        """As `line`, but of one that is longer the first bytes alone, however long it is."""
        found = bytearray()
        while True:
            piece = self.take(min(self.left, _PIECE_BYTES if found else 128) or 1)
            end = piece.find(b"\n")
            found += piece[: end if end >= 0 else None][: max(0, length - len(found))]
            if end >= 0:
                self.at -= len(piece) - end - 1
                return bytes(found)

    def _counted(self, kind: Argument, length: int) -> object:
        if kind in (Argument.BYTES1, Argument.BYTES4, Argument.BYTES8):
            if length == 1:
                return Data(1, self.take(1).decode("latin-1"))
            self.skip(length)
            return Data(length)
        if length > self.left:
            raise DecodeError(f"found {self.left} bytes to the end, expected {length} more")
        is_string = kind in (Argument.STRING1, Argument.STRING4)
        if length <= KEPT_CHARS_MAX:
            raw = self.take(length)
            return raw.decode("latin-1") if is_string else _decoded(raw)
        if is_string:
            self.skip(length)
            return Text(length, latin1=True)
        return self._long_text(length)

    def _long_text(self, length: int) -> Text:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        chars, latin1 = 0, True
        while length:
            piece = self.take(min(length, _PIECE_BYTES))
            length -= len(piece)
            try:
                text = decoder.decode(piece, final=not length)
            except UnicodeDecodeError as error:
                raise DecodeError("found a text that is not UTF-8") from error
            chars += len(text)
            latin1 = latin1 and (text.isascii() or max(text) <= "\xff")
        return Text(chars, latin1)

    def _long(self, size: int) -> int:
        length = int.from_bytes(self.take(size), "little")
        if length > LONG_BYTES_MAX:
            raise DecodeError(
                f"found a number of {length} bytes, expected at most {LONG_BYTES_MAX}"
            )
        return int.from_bytes(self.take(length), "little", signed=True)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise DecodeError("found a text that is not UTF-8") from error


def _name(line: bytes) -> str:
    return _decoded(line[:KEPT_CHARS_MAX])


def _of_line(kind: Argument, line: bytes) -> object:
    if kind is Argument.INT_LINE and line in _BOOLS:
        return _BOOLS[line]
    if kind is Argument.INT_LINE and _INT.fullmatch(line):
        return int(line)
    if kind is Argument.LONG_LINE and _LONG.fullmatch(line):
        return int(line.rstrip(b"L"))
    if kind is Argument.FLOAT_LINE and _FLOAT.fullmatch(line):
        return float(line)
    if kind is Argument.INDEX_LINE and _INDEX.fullmatch(line):
        return int(line)
    if kind is Argument.STRING_LINE:
        return _kept(string_of(line))
    if kind is Argument.UNICODE_LINE:
        return _kept(text_of(line))
    if kind is Argument.ID_LINE:
        return _name(line)
    raise DecodeError(f"found {line[:40]!r}, expected {kind.name.lower().replace('_line', '')}")


def string_of(line: bytes) -> str:
    """What Python 2 wrote with `repr`."""
    quote = line[:1]
    if len(line) < 2 or quote not in (b"'", b'"') or line[-1:] != quote:
        raise DecodeError(f"found {line[:40]!r}, expected a text in quotes")
    try:
        return codecs.escape_decode(line[1:-1])[0].decode("latin-1")
    except ValueError as error:
        raise DecodeError(f"found {line[:40]!r}, expected a text in quotes") from error


def text_of(line: bytes) -> str:
    try:
        return codecs.raw_unicode_escape_decode(line)[0]
    except ValueError as error:
        raise DecodeError(f"found {line[:40]!r}, expected a text") from error


def _kept(text: str) -> str | Text:
    if len(text) <= KEPT_CHARS_MAX:
        return text
    return Text(len(text), latin1=max(text) <= "\xff")
