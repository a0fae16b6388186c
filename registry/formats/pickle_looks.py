"""Whether bytes look like a pickle that does something, whatever they are called.

Pickles of protocol 0 are texts, and begin with no magic number. Here arguments are read as
generously as the most generous reader of pickles takes them: `I1_0`, `I 1` and `I0x1f` are numbers
to some. What is told apart is a file that does something and one that a reader stumbles over first.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from registry.formats.pickle_opcodes import (
    Argument,
    DecodeError,
    Opcode,
    OpcodeReader,
    string_of,
    text_of,
)
from registry.formats.source import Source

#: No text that is none goes on as a pickle for so long.
_OPCODES_MAX = 1_000_000
#: Of a line so much is looked at: numbers and names are shorter.
_LINE_BYTES_KEPT = 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_WHOLE = re.compile(rb"\s*[+-]?[0-9A-Fa-f_]*[xXoO]?[0-9A-Fa-f_]+L?\s*")
_INDEX = re.compile(rb"\s*[+-]?[0-9_]+\s*")

# What a value can be to a call. Numbers, None and the like are neither called nor arguments.
_PLAIN, _TEXT, _PARTS, _GLOBAL = "plain", "text", "parts", "global"
#: What a call made, or a slot of the memo holds.
_ANY = "any"
_CALLED = (_GLOBAL, _ANY)
#: C's reader takes a tuple for the arguments; Python's, which joblib builds on, any of these.
_ARGUMENTS = (_TEXT, _PARTS, _ANY)
_STATES = (_PARTS, _ANY)

#: What opcodes put on the stack, where it is not `_PLAIN`.
_MADE = {
    **dict.fromkeys(
        ("STRING", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"),
        _TEXT,
    ),
    **dict.fromkeys(("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _TEXT),
    **dict.fromkeys(("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "LIST"), _PARTS),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_DICT", "DICT", "EMPTY_SET", "FROZENSET"), _PARTS),
    "BYTEARRAY8": _PARTS,
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), _GLOBAL),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET", "PERSID", "BINPERSID"), _ANY),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4", "INST", "OBJ", "REDUCE"), _ANY),
    **dict.fromkeys(("NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER"), _ANY),
}
#: How many values an opcode takes off the stack; where it is another number than none.
_TAKEN = {
    **dict.fromkeys(("TUPLE1", "BINPERSID", "APPEND"), 1),
    **dict.fromkeys(("REDUCE", "NEWOBJ", "TUPLE2", "STACK_GLOBAL", "SETITEM"), 2),
    **dict.fromkeys(("NEWOBJ_EX", "TUPLE3"), 3),
    "BUILD": 1,
}
#: These leave what lies there then.
_LEFT = ("APPEND", "SETITEM", "BUILD", "APPENDS", "SETITEMS", "ADDITEMS", "READONLY_BUFFER")
_KEPT = (*_LEFT, "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
#: These take all down to a mark.
_FROM_MARK = (
    *("TUPLE", "LIST", "DICT", "FROZENSET", "OBJ", "INST", "APPENDS", "SETITEMS", "ADDITEMS"),
    "POP_MARK",
)
#: Besides those with a name as their argument.
_NAMING = ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
#: These call, whatever it is; NEWOBJ and its like are no letters of a text.
_ALWAYS_CALL = ("INST", "OBJ", "NEWOBJ", "NEWOBJ_EX")


class _BrokenError(Exception):
    """A reader of pickles would end here."""


class _Stack:
    """What lies above each mark."""

    def __init__(self) -> None:
        self._values: list[str] = []
        self._marks: list[int] = []

    def does(self, name: str) -> bool:
        """Do an opcode; whether it calls something. _BrokenError where it finds too little, or what
        no reader could call."""
        if name == "MARK":
            self._marks.append(len(self._values))
        elif name == "POP" and self._marks and self._marks[-1] == len(self._values):
            self._marks.pop()
        elif name == "POP":
            self._take(1)
        elif name in _KEPT:
            return self._keep(name)
        elif name not in ("STOP", "PROTO", "FRAME"):
            return self._make(name)
        return False

    def _keep(self, name: str) -> bool:
        taken = self._take_from_mark() if name in _FROM_MARK else self._take(_TAKEN.get(name, 0))
        self._values += self._take(1)
        # What is built with None is left as it is.
        return name == "BUILD" and taken[0] in _STATES

    def _make(self, name: str) -> bool:
        if name == "DUP":
            self._values += self._take(1) * 2
            return False
        taken = self._take_from_mark() if name in _FROM_MARK else self._take(_TAKEN.get(name, 0))
        if name == "POP_MARK":
            return False
        if name == "REDUCE" and (taken[0] not in _CALLED or taken[1] not in _ARGUMENTS):
            raise _BrokenError
        self._values.append(_MADE.get(name, _PLAIN))
        return name == "REDUCE" or name in _ALWAYS_CALL

    def _take(self, count: int) -> list[str]:
        at = len(self._values) - count
        if at < (self._marks[-1] if self._marks else 0):
            raise _BrokenError
        taken = self._values[at:]
        del self._values[at:]
        return taken

    def _take_from_mark(self) -> list[str]:
        if not self._marks:
            raise _BrokenError
        at = self._marks.pop()
        taken = self._values[at:]
        del self._values[at:]
        return taken


def looks_like_pickle(source: Source) -> bool:
    """Whether a file, a text for example, is a pickle that imports something and calls it before a
    reader would find it broken, or goes on for longer than is looked at. Prose, data, code and
    lists of words are none: `cobalt`, `iron`, `Nb` import something, and call nothing."""
    reader = OpcodeReader(source)
    stack = _Stack()
    named = False
    try:
        for _ in range(_OPCODES_MAX):
            opcode = reader.opcode()
            value = _argument(reader, opcode)
            calls = stack.does(opcode.name)
            if isinstance(value, tuple) and not all(map(_NAME.fullmatch, value)):
                return False
            named = named or isinstance(value, tuple) or opcode.name in _NAMING
            if opcode.name == "STOP":
                return False
            if named and calls:
                return True
    except (DecodeError, _BrokenError):
        return False
    return True


def _argument(reader: OpcodeReader, opcode: Opcode) -> object:
    """As OpcodeReader's, but of lines and long numbers no more than whether they can be one."""
    if opcode.argument is Argument.LONG4:
        reader.skip(int.from_bytes(reader.take(4), "little"))
        return None
    is_sound = _LINES.get(opcode.argument)
    if is_sound is None:
        return reader.argument(opcode)
    if not is_sound(reader.part_of_line(_LINE_BYTES_KEPT)):
        raise _BrokenError
    return None


def _is_float(line: bytes) -> bool:
    try:
        float(line)
    except ValueError:
        return False
    return True


def _is_string(line: bytes) -> bool:
    if len(line) == _LINE_BYTES_KEPT:
        # Its end is not there.
        return line[:1] in (b"'", b'"')
    string_of(line.strip())
    return True


def _is_text(line: bytes) -> bool:
    text_of(line if len(line) < _LINE_BYTES_KEPT else b"")
    return True


_LINES: dict[Argument, Callable[[bytes], object]] = {
    Argument.INT_LINE: _WHOLE.fullmatch,
    Argument.LONG_LINE: _WHOLE.fullmatch,
    Argument.INDEX_LINE: _INDEX.fullmatch,
    Argument.FLOAT_LINE: _is_float,
    Argument.STRING_LINE: _is_string,
    Argument.UNICODE_LINE: _is_text,
}
