"""Whether bytes look like a pickle that does something, whatever they are called.

Pickles of protocol 0 are texts, and begin with no magic number.
"""

from __future__ import annotations

import re

from registry.formats.pickle_opcodes import DecodeError, OpcodeReader
from registry.formats.source import Source

_OPCODES_MAX = 10_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
#: Opcodes that call something that is named.
_CALLS = frozenset(("REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"))
#: How many values an opcode takes off the stack; where it is another number than none.
_TAKEN = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "TUPLE1", "BINPERSID", "POP"), 1),
    **dict.fromkeys(("STOP", "DUP", "READONLY_BUFFER", "APPENDS", "SETITEMS", "ADDITEMS"), 1),
    **dict.fromkeys(("REDUCE", "BUILD", "NEWOBJ", "APPEND", "TUPLE2", "STACK_GLOBAL"), 2),
    **dict.fromkeys(("NEWOBJ_EX", "SETITEM", "TUPLE3"), 3),
}
#: How many it puts there, where it is another number than one.
_PUT = {**dict.fromkeys(("POP", "POP_MARK", "STOP", "PROTO", "FRAME", "MARK"), 0), "DUP": 2}
#: These take all down to a mark, before the rest.
_FROM_MARK = frozenset(
    ("TUPLE", "LIST", "DICT", "FROZENSET", "OBJ", "INST", "APPENDS", "SETITEMS", "ADDITEMS")
)


class _Stack:
    """How many values there are above each mark."""

    def __init__(self) -> None:
        self._depths = [0]

    def does(self, name: str) -> bool:
        """Whether an opcode finds what it takes; with what it leaves then."""
        if name in _FROM_MARK or name == "POP_MARK":
            if len(self._depths) == 1:
                return False
            self._depths.pop()
        self._depths[-1] -= _TAKEN.get(name, 0)
        if self._depths[-1] < 0:
            return False
        self._depths[-1] += _PUT.get(name, 1)
        if name == "MARK":
            self._depths.append(0)
        return True


def looks_like_pickle(source: Source) -> bool:
    """Whether a file, a text for example, is a pickle that imports something and calls it before a
    reader would find it broken, or before more opcodes than are looked at. Prose, data, code and
    lists of words are none: `cobalt`, `iron`, `Nb` import something, and call nothing."""
    reader = OpcodeReader(source)
    stack = _Stack()
    named = False
    before = ""
    try:
        for _ in range(_OPCODES_MAX):
            opcode = reader.opcode()
            value = reader.argument(opcode)
            if not stack.does(opcode.name):
                return False
            if isinstance(value, tuple) and not all(map(_NAME.fullmatch, value)):
                return False
            named = named or isinstance(value, tuple) or opcode.name == "STACK_GLOBAL"
            if opcode.name == "STOP":
                return False
            # What is built with None is left as it is.
            if named and opcode.name in _CALLS and (opcode.name, before) != ("BUILD", "NONE"):
                return True
            before = opcode.name
    except DecodeError:
        return False
    return named
