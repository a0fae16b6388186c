"""What a pickle would make, as tags: how many, of what kind, of which shape. Never the objects.

None, booleans, numbers and short texts stand for themselves; all else is one of the classes here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from registry.formats.look import Rule
from registry.formats.pickle_opcodes import Data, OpcodeReader, Text
from registry.formats.pickle_rules import CALL, KEY_PARTS_MAX

#: One of the classes below, or None, bool, int, float, str, Text, Data.
Value: TypeAlias = object


class UnfitError(Exception):
    """A call or a state that the format's writers don't make."""

    def __init__(self, message: str, rule: Rule = CALL, *, is_end: bool = False) -> None:
        super().__init__(message)
        self.rule = rule
        #: Nobody can tell what follows.
        self.is_end = is_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a pickle may import, and what for."""

    #: Why it can do no harm.
    reason: str
    #: Makes the value that calling it would make, by its positional arguments. UnfitError where it
    #: is not called so. None: it is named, never called.
    call: Callable[[tuple[Value, ...]], Value] | None = None
    #: Such as a dtype: it may stand as a value.
    is_value: bool = False
    #: NEWOBJ may make an empty one.
    new: Callable[[], Value] | None = None


Names: TypeAlias = Mapping[tuple[str, str], Listed]


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    module: str
    name: str
    listed: Listed

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"

    def is_one(self, name: str, *modules: str) -> bool:
        return self.name == name and self.module in modules


class Foreign:
    """What comes of a global that is not listed. It was refused once; what is done with it tells
    nothing new."""

    def __repr__(self) -> str:
        return "something foreign"


FOREIGN = Foreign()


@dataclass(slots=True, eq=False, repr=False)
class Items:
    """A tuple, or a container of a kind such as `list`, `dict`, `set` or `OrderedDict`."""

    kind: str
    #: Of tuples, lists and sets.
    parts: list[Value] = field(default_factory=list)
    #: Of dicts, by keys that are texts; other keys are counted only.
    entries: dict[str, Value] = field(default_factory=dict)
    #: Of dicts, what lies under other keys and does not stand for itself.
    unnamed: list[Value] = field(default_factory=list)
    #: Itself and all that is in it, shared parts counted each time.
    weight: int = 1
    other_keys: int = 0
    #: It is in something else, or called something: it is whole.
    is_placed: bool = False
    is_key: bool = False
    #: A tuple that holds what is named to be called, or is not made yet: good for arguments alone.
    is_bare: bool = False
    #: Something foreign is in it.
    is_tainted: bool = False
    #: Takes a state by BUILD, once.
    build: Callable[[Value], Value] | None = None

    def __repr__(self) -> str:
        return f"a {self.kind} of {len(self.parts) or len(self.entries) + self.other_keys}"

    @property
    def is_empty(self) -> bool:
        return not (self.parts or self.entries or self.other_keys)


@dataclass(slots=True, eq=False, repr=False)
class Made:
    """An object of a listed class, other than a container."""

    kind: str
    #: Needs a state by BUILD, once; gives what that leaves, itself or another value. It is no value
    #: before.
    build: Callable[[Value], Value] | None = None
    weight: int = 1
    is_key: bool = False

    def __repr__(self) -> str:
        return f"a {self.kind}"


@dataclass(slots=True, eq=False, repr=False)
class Dtype(Made):
    """Of numpy: the letter of its kind as in `b i u f c U S V M m`, and bytes an item."""

    letter: str = "V"
    item_bytes: int = 0

    def fact(self) -> str:
        names = {"b": "BOOL", "i": "I", "u": "U", "f": "F", "c": "C"}
        name = names.get(self.letter, self.letter)
        return name if self.letter == "b" else f"{name}{self.item_bytes * 8}"


@dataclass(slots=True, eq=False, repr=False)
class Array(Made):
    dtype: str = ""
    shape: tuple[int, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class Storage(Made):
    """Of torch: bytes elsewhere in the file, or a view of them."""

    dtype: str = ""
    item_bytes: int = 1
    items: int = 0
    #: Which bytes of the file, and at which of their elements it begins.
    key: str = ""
    begin: int = 0


@dataclass(slots=True, eq=False, repr=False)
class Tensor(Array):
    """Of torch: which elements of a storage, if it has one. Offset and strides count elements of
    the tensor's own size."""

    storage: Storage | None = None
    item_bytes: int = 0
    offset: int = 0
    strides: tuple[int, ...] = ()
    is_quantized: bool = False
    #: Its values are those of the storage conjugated or negated, which is still to be done.
    is_pending: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Inline(Made):
    """An array whose bytes follow the opcode that made it, as in joblib's files."""

    take: Callable[[OpcodeReader], Value] | None = None


#: What stands for itself and is a key.
ATOMS = frozenset((int, float, str, bool, type(None)))
_WEIGHED = (Items, Made)


def tuple_of(parts: list[Value]) -> Items:
    found = Items("tuple", parts, weight=1 + len(parts), is_placed=True, is_key=True)
    for part in parts:
        if type(part) in ATOMS:
            continue
        found.weight += weight_of(part) - 1
        found.is_key = found.is_key and is_key(part)
        found.is_bare = found.is_bare or is_bare(part)
        found.is_tainted = found.is_tainted or is_tainted(part)
    found.is_key = found.is_key and found.weight <= KEY_PARTS_MAX
    return found


def weight_of(value: Value) -> int:
    return value.weight if isinstance(value, _WEIGHED) else 1


def is_key(value: Value) -> bool:
    """Whether it is a plain value that hashes at once and always the same."""
    if isinstance(value, _WEIGHED):
        return value.is_key
    if isinstance(value, Global):
        return value.listed.is_value
    return value is None or isinstance(value, int | float | str | Text | Data | Foreign)


def is_tainted(value: Value) -> bool:
    return isinstance(value, Foreign) or (isinstance(value, Items) and value.is_tainted)


def is_bare(value: Value) -> bool:
    """Whether it is no value by itself."""
    if isinstance(value, Global):
        return not value.listed.is_value
    if isinstance(value, Made):
        return value.build is not None
    return isinstance(value, Items) and value.is_bare


# What calls and states have to be -------------------------------------------------------------


def ints_of(value: Value, what: str, *, dimensions: int = 64) -> tuple[int, ...]:
    """A tuple of whole numbers from 0 on."""
    parts = value.parts if isinstance(value, Items) and value.kind in ("tuple", "Size") else None
    if parts is None or len(parts) > dimensions:
        raise UnfitError(f"found {value!r} as {what}, expected a tuple of whole numbers")
    found = tuple(each for each in parts if type(each) is int and 0 <= each < 2**63)
    if len(found) != len(parts):
        raise UnfitError(f"found {parts[:8]!r:.60} as {what}, expected whole numbers from 0 on")
    return found


def count_of(value: Value, what: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise UnfitError(f"found {value!r:.60} as {what}, expected a whole number from 0 on")
    return value


def product(numbers: tuple[int, ...], rule: Rule) -> int:
    """Their product; UnfitError where no memory has so many."""
    found = 1
    for each in numbers:
        found *= each
        if found >= 2**63:
            raise UnfitError(f"found shape {numbers[:8]}, expected under 2^63 elements", rule)
    return found


def expect(arguments: tuple[Value, ...], *tests: Callable[[Value], bool]) -> None:
    """As many arguments as tests, and each passes its own."""
    if len(arguments) != len(tests) or not all(t(a) for t, a in zip(tests, arguments, strict=True)):
        raise UnfitError(f"found arguments {list(arguments[:8])!r:.100}")
