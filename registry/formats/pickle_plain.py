"""What pickles of plain values import: sets, bytes and the containers of the standard library.

Protocols 0 to 2 have no opcodes for sets and bytes, and write them as calls (Lib/pickle.py,
`save_bytes`; Lib/copyreg.py). `__builtin__` is what protocols 0 to 2 call `builtins`.
"""

from __future__ import annotations

from registry.formats.pickle_opcodes import Data, Text
from registry.formats.pickle_rules import FILL, KEY_PARTS_MAX, STATE
from registry.formats.pickle_values import (
    Global,
    Items,
    Listed,
    Made,
    Names,
    UnfitError,
    Value,
    expect,
    is_bare,
    is_key,
)

_BUILTINS = ("builtins", "__builtin__")
#: What a defaultdict may call for a missing key; protocols 0 to 2 write int as long and str as
#: unicode.
_FACTORIES = ("int", "float", "list", "dict", "set", "str", "bool", "long", "unicode")
METADATA = "_metadata"


def _is_list(value: Value) -> bool:
    return isinstance(value, Items) and value.kind == "list"


def ordered_dict() -> Items:
    made = Items("OrderedDict")
    made.build = lambda state: _with_metadata(made, state)
    return made


def _with_metadata(made: Items, state: Value) -> Value:
    """torch.nn.Module.state_dict puts the versions of its modules beside the dict's items."""
    found = state.entries if isinstance(state, Items) and state.kind == "dict" else {}
    versions = found.get(METADATA)
    if (
        not isinstance(state, Items)
        or [*found] != [METADATA]
        or state.other_keys
        or not isinstance(versions, Items)
        or versions.kind not in ("dict", "OrderedDict")
    ):
        raise UnfitError(f"found {state!r}, expected a dict of {METADATA} alone", STATE)
    return made


def _ordered_dict(arguments: tuple[Value, ...]) -> Value:
    """Python 2 passed the items, as a list of lists of two."""
    made = ordered_dict()
    if not arguments:
        return made
    expect(arguments, _is_list)
    pairs = arguments[0]
    assert isinstance(pairs, Items)
    for pair in pairs.parts:
        if (
            not isinstance(pair, Items)
            or pair.kind not in ("list", "tuple")
            or len(pair.parts) != 2
        ):
            raise UnfitError(f"found {pair!r}, expected a pair")
        key, value = pair.parts
        if not isinstance(key, str) or is_bare(value):
            raise UnfitError(f"found {key!r:.40} with {value!r}, expected a text and a value", FILL)
        made.entries[key] = value
    made.weight = pairs.weight
    return made


def _counter(arguments: tuple[Value, ...]) -> Value:
    made = Items("Counter")
    if arguments:
        expect(arguments, lambda each: isinstance(each, Items) and each.kind == "dict")
        counts = arguments[0]
        assert isinstance(counts, Items)
        made.entries, made.other_keys = counts.entries, counts.other_keys
        made.weight = counts.weight
    return made


def _defaultdict(arguments: tuple[Value, ...]) -> Value:
    if arguments:
        expect(arguments, _is_factory)
    return Items("defaultdict")


def _is_factory(value: Value) -> bool:
    return value is None or (
        isinstance(value, Global) and value.module in _BUILTINS and value.name in _FACTORIES
    )


def _set(kind: str, arguments: tuple[Value, ...]) -> Items:
    made = Items(kind)
    if arguments:
        expect(arguments, _is_list)
        found = arguments[0]
        assert isinstance(found, Items)
        if not all(map(is_key, found.parts)):
            raise UnfitError(f"found {found!r} as elements, expected plain values", FILL)
        made.parts, made.weight = found.parts, found.weight
    made.is_key = kind == "frozenset" and made.weight <= KEY_PARTS_MAX
    return made


def _complex(arguments: tuple[Value, ...]) -> Value:
    expect(arguments, *[lambda each: type(each) in (float, int)] * 2)
    return Made("complex", is_key=True)


def _encode(arguments: tuple[Value, ...]) -> Value:
    """Bytes, which protocols 0 to 2 write as a text of as many characters."""
    expect(arguments, lambda each: latin1_length(each) is not None, lambda each: each == "latin1")
    length, text = latin1_length(arguments[0]) or 0, arguments[0]
    return Data(length, text if length == 1 and isinstance(text, str) else "")


def _bytearray(arguments: tuple[Value, ...]) -> Value:
    if not arguments:
        return Data(0)
    if len(arguments) == 1:
        expect(arguments, lambda each: isinstance(each, Data))
    else:
        expect(
            arguments, lambda each: latin1_length(each) is not None, lambda each: each == "latin-1"
        )
    return Data(bytes_length(arguments[0]) or 0)


def _no_bytes(arguments: tuple[Value, ...]) -> Value:
    expect(arguments)
    return Data(0)


def latin1_length(value: Value) -> int | None:
    """Of a text that stands for bytes: how many."""
    if isinstance(value, Text):
        return value.chars if value.latin1 else None
    if isinstance(value, str) and all(each <= "\xff" for each in value):
        return len(value)
    return None


def bytes_length(value: Value) -> int | None:
    """Of bytes, or of what Python 2 wrote for them."""
    return value.length if isinstance(value, Data) else latin1_length(value)


def only_byte(value: Value) -> str:
    """Of bytes as `bytes_length` takes them, the single one as a character; else empty."""
    if isinstance(value, Data):
        return value.only
    return value if isinstance(value, str) and latin1_length(value) == 1 else ""


def _both(name: str, listed: Listed) -> dict[tuple[str, str], Listed]:
    return {(module, name): listed for module in _BUILTINS}


_NAMED = Listed(reason="A defaultdict's factory; it makes an empty value of its type.")
PLAIN: Names = {
    ("collections", "OrderedDict"): Listed(
        reason="A dict; its items are values.", call=_ordered_dict, new=ordered_dict
    ),
    ("collections", "Counter"): Listed(reason="A dict of counts.", call=_counter),
    ("collections", "defaultdict"): Listed(
        reason="A dict; what it calls for missing keys is an empty builtin.", call=_defaultdict
    ),
    ("_codecs", "encode"): Listed(
        reason="Bytes before protocol 3: with latin1, a built-in codec, alone.", call=_encode
    ),
    **{key: _NAMED for name in _FACTORIES for key in _both(name, _NAMED)},
    **_both("set", Listed(reason="Of plain values.", call=lambda a: _set("set", a))),
    **_both("frozenset", Listed(reason="Of plain values.", call=lambda a: _set("frozenset", a))),
    **_both("complex", Listed(reason="Two numbers.", call=_complex)),
    **_both("bytearray", Listed(reason="Bytes.", call=_bytearray)),
    **_both("bytes", Listed(reason="No bytes, before protocol 3.", call=_no_bytes)),
}
