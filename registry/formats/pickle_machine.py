"""The abstract interpreter: what a pickle would do, done with tags instead of objects.

Allows by list: opcodes, imported names, the arguments of each call, the state of each object. What
is foreign is refused once and followed on, so that all foreign names of a pickle come in one go.
Memory is that of the pickle's parts, about a hundred bytes an opcode; bytes and long texts are
passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from registry.formats import pickle_rules as rules
from registry.formats.look import Look, Rule, SpentError, StopLooking, quoted
from registry.formats.pickle_opcodes import (
    OPCODES,
    OpcodeReader,
)
from registry.formats.pickle_stream import PickleStream
from registry.formats.pickle_values import (
    ATOMS,
    FOREIGN,
    Foreign,
    Global,
    Inline,
    Items,
    Made,
    Names,
    UnfitError,
    Value,
    is_bare,
    is_key,
    is_tainted,
    tuple_of,
    weight_of,
)

#: No writer that we know makes a pickle with these, of tensors and plain values.
_UNUSED = (
    *("INST", "OBJ", "EXT1", "EXT2", "EXT4", "DUP", "POP", "POP_MARK", "PERSID"),
    *("NEXT_BUFFER", "READONLY_BUFFER"),
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": "list", "EMPTY_DICT": "dict", "EMPTY_SET": "set"}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_DICTS = ("dict", "OrderedDict", "defaultdict", "Counter")
#: Of a slot that nothing was put into.
_NOTHING = object()
_NAMES_FACT_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Family:
    """What pickles of one kind may hold."""

    #: As messages call it.
    name: str
    names: Names
    #: The value of a persistent id; UnfitError where it is none.
    persistent: Callable[[Value], Value] | None = None


class PickleMachine:
    """Runs one pickle from where the reader stands to its STOP."""

    def __init__(self, look: Look, reader: OpcodeReader, family: Family) -> None:
        self._look = look
        self._reader = reader
        self._stream = PickleStream(look, reader)
        self._family = family
        self._stack: list[Value] = []
        #: How high the stack was at each MARK.
        self._marks: list[int] = []
        self._memo: list[Value] = []
        #: How many of them something was put into.
        self._slots = 0
        #: The one that is done.
        self._opcode = OPCODES[ord(".")]
        self._told: set[str] = set()
        self._names: set[str] = set()
        self._objects = 0

    def run(self) -> Value:
        """The pickle's value. Stops with a finding where that cannot be told."""
        handlers = self._handlers()
        for opcode, value in self._stream.opcodes():
            if opcode.name != "STOP":
                self._opcode = opcode
                handlers.get(opcode.name, self._stack.append)(value)
        return self._finish()

    def _finish(self) -> Value:
        if self._marks or len(self._stack) != 1:
            self._stop(rules.STACK, f"found {len(self._stack)} values at STOP, expected 1")
        value = self._stack.pop()
        self._place(value)
        return value

    # Opcodes --------------------------------------------------------------------------------------

    def _handlers(self) -> dict[str, Callable[[Value], None]]:
        """What each opcode does, given its argument. Those of values push them."""
        return {
            **dict.fromkeys(_UNUSED, self._unused),
            **{name: self._pushing(value) for name, value in _CONSTANTS.items()},
            **{name: self._emptying(kind) for name, kind in _EMPTY.items()},
            **{name: self._tupling(count) for name, count in _TUPLES.items()},
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), self._get),
            # As unpicklers number it: by how many slots are written, not by the highest of them. To
            # be wrong here is to see other names than they do.
            "MEMOIZE": lambda _: self._put(self._slots),
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "GLOBAL": self._global,
            "STACK_GLOBAL": lambda _: self._stack_global(*self._pop(2)),
            "TUPLE": lambda _: self._tuple(self._pop_mark()),
            "LIST": lambda _: self._from_mark("list"),
            "DICT": lambda _: self._from_mark("dict"),
            "FROZENSET": lambda _: self._from_mark("frozenset"),
            "APPEND": lambda _: self._extend("list", self._pop(1)),
            "APPENDS": lambda _: self._extend("list", self._pop_mark()),
            "ADDITEMS": lambda _: self._extend("set", self._pop_mark()),
            "SETITEM": lambda _: self._set(self._pop(2)),
            "SETITEMS": lambda _: self._set(self._pop_mark()),
            "REDUCE": lambda _: self._call(*self._pop(2)),
            "NEWOBJ": lambda _: self._new(*self._pop(2)),
            "NEWOBJ_EX": lambda _: self._new_by_name(*self._pop(3)),
            "BUILD": lambda _: self._build(*self._pop(1)),
            "BINPERSID": lambda _: self._persistent(*self._pop(1)),
        }

    def _pushing(self, value: Value) -> Callable[[Value], None]:
        return lambda _: self._stack.append(value)

    def _emptying(self, kind: str) -> Callable[[Value], None]:
        return lambda _: self._keep(Items(kind))

    def _tupling(self, count: int) -> Callable[[Value], None]:
        return lambda _: self._tuple(self._pop(count))

    def _unused(self, value: Value) -> None:
        """Refused, and followed as far as it goes, so that names behind it are found too."""
        name = self._opcode.name
        what = f"found {name}"
        if name == "INST":
            assert isinstance(value, tuple)
            what += f" of {_said(*value)}"
            self._learn(*value)
        self._refuse(rules.OPCODE, what)
        if name == "DUP":
            self._stack.append(self._top())
        elif name == "POP" and self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        elif name == "POP":
            self._pop(1)
        elif name == "READONLY_BUFFER":
            self._top()
        else:
            if name in ("INST", "OBJ", "POP_MARK"):
                self._pop_mark()
            if name != "POP_MARK":
                self._stack.append(FOREIGN)

    # Stack and memo -------------------------------------------------------------------------------

    def _pop(self, count: int) -> list[Value]:
        floor = self._marks[-1] if self._marks else 0
        at = len(self._stack) - count
        if at < floor:
            self._stop(
                rules.STACK, f"found {len(self._stack) - floor} values, expected {count} or more"
            )
        found = self._stack[at:]
        del self._stack[at:]
        return found

    def _top(self) -> Value:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            self._stop(rules.STACK, "found no value, expected one")
        return self._stack[-1]

    def _pop_mark(self) -> list[Value]:
        if not self._marks:
            self._stop(rules.STACK, "found no MARK, expected one")
        at = self._marks.pop()
        found = self._stack[at:]
        del self._stack[at:]
        return found

    def _put(self, slot: Value) -> None:
        assert isinstance(slot, int)
        value = self._top()
        # Python 2 began at 1, and optimised pickles leave slots out.
        if slot > self._stream.count:
            self._stop(rules.MEMO, f"found slot {slot} after {self._stream.count} opcodes")
        if slot >= len(self._memo):
            self._memo += [_NOTHING] * (slot + 1 - len(self._memo))
        if self._memo[slot] is not _NOTHING:
            self._stop(rules.MEMO, f"found slot {slot} written twice")
        self._memo[slot] = value
        self._slots += 1

    def _get(self, slot: Value) -> None:
        assert isinstance(slot, int)
        value = self._memo[slot] if slot < len(self._memo) else _NOTHING
        if value is _NOTHING:
            self._stop(rules.MEMO, f"found slot {slot} read before it is written")
        self._stack.append(value)

    # Containers -----------------------------------------------------------------------------------

    def _tuple(self, parts: list[Value]) -> None:
        for part in parts:
            if isinstance(part, Items):
                part.is_placed = True
        made = tuple_of(parts)
        self._keep(made)

    def _from_mark(self, kind: str) -> None:
        parts = self._pop_mark()
        made = Items(kind)
        self._keep(made)
        if kind == "dict":
            self._set(parts)
        else:
            self._extend(kind, parts)
            made.is_key = kind == "frozenset" and made.weight <= rules.KEY_PARTS_MAX

    def _extend(self, kind: str, parts: list[Value]) -> None:
        target = self._top()
        if not self._is_open(target, (kind,)):
            return
        assert isinstance(target, Items)
        for part in parts:
            if type(part) in ATOMS:
                target.weight += 1
                continue
            if target.kind != "list" and not is_key(part):
                self._refuse(rules.FILL, f"found {part!r} in {target!r}, expected a plain value")
            self._place(part, target)
        if self._is_within_itself(target):
            return
        target.parts += parts
        self._weigh(target.weight)

    def _set(self, parts: list[Value]) -> None:
        target = self._top()
        if not self._is_open(target, _DICTS):
            return
        assert isinstance(target, Items)
        if len(parts) % 2:
            self._stop(rules.STACK, f"found {len(parts)} values, expected pairs of key and value")
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if not is_key(key):
                self._refuse(rules.FILL, f"found {key!r} as a key, expected a plain value")
            target.weight += weight_of(key)
            self._place(value, target)
            if self._is_within_itself(target):
                return
            if isinstance(key, str):
                target.entries[key] = value
            else:
                target.other_keys += 1
                if type(value) not in ATOMS:
                    target.unnamed.append(value)
        self._weigh(target.weight)

    def _is_open(self, target: Value, kinds: tuple[str, ...]) -> bool:
        if isinstance(target, Foreign):
            return False
        if isinstance(target, Items) and target.kind in kinds and not target.is_placed:
            return True
        late = isinstance(target, Items) and target.kind in kinds
        what = f"found items for {target!r}" + (" after it went somewhere" if late else "")
        self._refuse(rules.FILL, f"{what}, expected a new {' or '.join(kinds)}")
        return False

    def _is_within_itself(self, target: Items) -> bool:
        if target.is_placed:
            self._refuse(rules.FILL, f"found {target!r} within itself")
        return target.is_placed

    def _place(self, value: Value, within: Items | None = None) -> None:
        """It becomes part of a container, or of all that the pickle makes."""
        if within is not None:
            within.weight += weight_of(value)
            within.is_tainted = within.is_tainted or is_tainted(value)
        if isinstance(value, Items):
            value.is_placed = True
        if is_bare(value):
            self._refuse(rules.PLACE, f"found {value!r} as a value")

    def _keep(self, made: Value) -> None:
        """A new object."""
        self._objects += 1
        if self._objects > rules.OBJECTS_MAX:
            raise SpentError(f"it has more than {rules.OBJECTS_MAX:,} objects")
        self._weigh(weight_of(made))
        self._stack.append(made)

    def _weigh(self, weight: int) -> None:
        if weight > rules.PARTS_MAX:
            self._stop(rules.SIZE, f"found {weight} parts")

    # Names and calls ------------------------------------------------------------------------------

    def _global(self, names: Value) -> None:
        assert isinstance(names, tuple)
        module, name = names
        self._learn(module, name)
        listed = self._family.names.get((module, name))
        if listed is None:
            self._refuse(
                rules.LISTED,
                f"found {_said(module, name)}, expected names on the list of {self._family.name}",
            )
            self._stack.append(FOREIGN)
        else:
            self._stack.append(Global(module, name, listed))

    def _stack_global(self, module: Value, name: Value) -> None:
        if isinstance(module, str) and isinstance(name, str):
            self._global((module, name))
            return
        self._refuse(rules.LITERAL, f"found {quoted(module)} and {quoted(name)} as module and name")
        self._stack.append(FOREIGN)

    def _learn(self, module: str, name: str) -> None:
        found = self._look.facts.setdefault("globals", [])
        said = f"{module}.{name}"
        if said not in self._names and len(found) < _NAMES_FACT_MAX:
            self._names.add(said)
            if said not in found:
                found.append(said)

    def _call(self, called: Value, arguments: Value) -> None:
        if isinstance(called, Foreign):
            self._stack.append(FOREIGN)
            return
        if not isinstance(called, Global) or called.listed.call is None:
            self._stack.append(self._bad(rules.CALL, f"found a call of {called!r}", arguments))
            return
        if not isinstance(arguments, Items) or arguments.kind != "tuple":
            self._stack.append(self._bad(rules.CALL, f"{called!r} of {arguments!r}", arguments))
            return
        # Some look at each part.
        self._look.budget.step(arguments.weight)
        try:
            made = called.listed.call(tuple(arguments.parts))
        except UnfitError as error:
            made = self._bad(error.rule, f"{called!r}: {error}", *arguments.parts)
        self._keep(made)

    def _new(self, kind: Value, arguments: Value) -> None:
        if isinstance(kind, Foreign):
            self._stack.append(FOREIGN)
        elif (
            isinstance(kind, Global)
            and kind.listed.new is not None
            and isinstance(arguments, Items)
            and arguments.kind == "tuple"
            and arguments.is_empty
        ):
            self._keep(kind.listed.new())
        else:
            self._stack.append(self._bad(rules.CALL, f"found a new {kind!r}", arguments))

    def _new_by_name(self, kind: Value, arguments: Value, named: Value) -> None:
        if isinstance(named, Items) and named.kind == "dict" and named.is_empty:
            self._new(kind, arguments)
        else:
            self._stack.append(self._bad(rules.CALL, "found arguments by name", kind, named))

    def _build(self, state: Value) -> None:
        target = self._top()
        if isinstance(target, Foreign):
            return
        build = target.build if isinstance(target, Items | Made) else None
        if build is None:
            self._stack[-1] = self._bad(rules.STATE, f"found a state for {target!r}", state)
            return
        assert isinstance(target, Items | Made)
        self._look.budget.step(weight_of(state))
        try:
            made = build(state)
        except UnfitError as error:
            made = self._bad(error.rule, f"{target!r}: {error}", state)
            if error.is_end:
                raise StopLooking from None
        # What it leaves aside, if the memo still has it, is no value and takes no state.
        target.build = None if made is target else _spent
        self._stack[-1] = self._taken(made) if isinstance(made, Inline) else made

    def _taken(self, made: Inline) -> Value:
        if self._stream.is_in_frame:
            self._stop(rules.FRAME, f"found the bytes of {made!r} within a frame")
        assert made.take is not None
        try:
            return made.take(self._reader)
        except UnfitError as error:
            self._stop(error.rule, str(error))

    def _persistent(self, value: Value) -> None:
        if isinstance(value, Foreign):
            self._stack.append(FOREIGN)
        elif self._family.persistent is None:
            self._refuse(rules.PERSISTENT, "found a persistent id")
            self._stack.append(FOREIGN)
        else:
            try:
                self._stack.append(self._family.persistent(value))
            except UnfitError as error:
                self._stack.append(self._bad(error.rule, str(error), value))

    # Findings -------------------------------------------------------------------------------------

    def _bad(self, rule: Rule, message: str, *of: Value) -> Value:
        """Refuses, unless it is the consequence of something foreign that was refused before."""
        if not any(map(is_tainted, of)):
            self._refuse(rule, message)
        return FOREIGN

    def _refuse(self, rule: Rule, message: str) -> None:
        """Once for each message, where it is found first."""
        if message not in self._told:
            self._told.add(message)
            self._look.refuse(rule, _plain(message), offset=self._stream.at)

    def _stop(self, rule: Rule, message: str) -> NoReturn:
        self._look.stop(rule, _plain(message), offset=self._stream.at)


def _spent(state: Value) -> Value:
    raise UnfitError("found a second state", rules.STATE)


def _plain(message: str) -> str:
    """With what it quotes of the file as `quoted` would have it."""
    return message.encode("ascii", "backslashreplace").decode("ascii")


def _said(module: str, name: str) -> str:
    return quoted(f"{module}.{name}")
