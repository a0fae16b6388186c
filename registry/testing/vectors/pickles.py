"""Pickles of plain values and arrays, and the ways in which others do more than hold values."""

from __future__ import annotations

import collections

from registry.testing.vectors import Vector
from registry.testing.vectors.pickling import (
    CALLEE,
    ORDERED,
    array,
    binary,
    called,
    dtype,
    dumped,
    framed,
    mapping,
    named,
    number,
    several,
    short,
    stack_named,
    text,
    whole,
)

_RUN = called(*CALLEE, text("echo"))
#: Names by slots 1 and 3: whoever numbers MEMOIZE's by the highest slot reads an OrderedDict.
_OTHER_NAMES = short(ORDERED[0]) + b"q\x01" + short(CALLEE[0]) + b"\x94"
_OTHER_NAMES += short(ORDERED[1]) + b"q\x03" + short("x") + b"\x94" + short(CALLEE[1]) + b"\x94"
_OTHER_NAMES += b"h\x01h\x03\x93)R"
_VALUES = {
    "numbers": [1, -1, 2**40, 2**90, 0.5, float("inf"), 1e-9, True, None, 1j],
    "texts": ["", "é", "x" * 5000],
    "bytes": [b"", b"\x00\xff", bytes(5000), bytearray(b"x")],
    "containers": [(), (1,), {1, 2}, frozenset("ab"), {}, {1: 2, (1, "a"): 3}],
    "of the library": [
        collections.OrderedDict(a=1),
        collections.Counter("aab"),
        collections.defaultdict(int, a=1),
    ],
}


def _bad(name: str, rule: int, data: bytes, path: str = "model.pkl") -> Vector:
    return Vector(name=name, path=path, data=data, rule=f"PICKLE-{rule}")


def _sound(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.pkl", data=data)


def _nested(depth: int) -> bytes:
    """A list of two times the same list of two times the same..., in as many opcodes."""
    body = b"]q\x00K\x01a"
    for slot in range(1, depth):
        body += b"]q" + bytes([slot]) + b"h" + bytes([slot - 1]) + b"ah" + bytes([slot - 1]) + b"a"
    # What stands below on the stack is taken into a tuple, so that one value is left.
    return b"(" + body + b"t"


def _key_bomb(depth: int) -> bytes:
    body = b"K\x01\x85q\x00"
    for slot in range(1, depth):
        body += b"h" + bytes([slot - 1]) + b"\x86q" + bytes([slot])
    return body


_STATE = several(number(3), text("<"), b"NNN", number(-1), number(-1), number(0))
_FOUR = array(several(number(2)), dtype("f2"), binary(bytes(4)))

SOUND = (
    *(_sound(f"values-{protocol}", dumped(_VALUES, protocol)) for protocol in range(6)),
    *(_sound(f"shared-{protocol}", dumped([[1]] * 9, protocol)) for protocol in range(6)),
    _sound("several-frames", dumped([["text" * 9] * 9, bytes(99_999), "x" * 99_999] * 3, 4)),
    _sound("an-array", whole(_FOUR, 3)),
    _sound("an-array-of-none", whole(array(several(number(0)), dtype(), binary(b"")), 3)),
    _sound(
        "a-scalar", whole(called("numpy._core.multiarray", "scalar", dtype(), binary(bytes(4))), 3)
    ),
    _sound("a-pickle-as-data", whole(binary(whole(_RUN)), 3)),
    _sound("names-as-texts", whole(several(text("os"), text("system")))),
    _sound("python-2s-slots-from-1", whole(b"]q\x01K\x01a")),
)
BAD = (
    # What is imported.
    _bad("system", 8, whole(_RUN)),
    _bad("system-of-protocol-0", 8, b"cos\nsystem\n(S'echo'\ntR."),
    _bad("system-of-protocol-4", 8, framed(stack_named(*CALLEE) + short("echo") + b"\x85R")),
    _bad("only-imported", 8, whole(named(*CALLEE))),
    _bad("resolved-by-name", 8, whole(called("pkgutil", "resolve_name", text("os:system")))),
    _bad("dotted-name", 8, framed(stack_named("collections", "OrderedDict.fromkeys"))),
    _bad("dotted-through-a-module", 8, framed(stack_named("numpy", "core.os.system"))),
    _bad("never-seen-before", 8, whole(called("acme_internal.tools", "run_shell", text("x")))),
    _bad("getattr", 8, whole(called("builtins", "getattr", text("a"), text("b")))),
    _bad("eval", 8, whole(called("__builtin__", "eval", text("1")))),
    _bad("pip", 8, whole(called("pip._internal", "main", text("install")))),
    _bad("load-from-bytes", 8, whole(called("torch.storage", "_load_from_bytes", text("x")))),
    _bad("an-estimator", 8, framed(stack_named("sklearn.svm._classes", "SVC") + b")\x81}b")),
    _bad("torch-where-none-is", 8, whole(named("torch", "FloatStorage"))),
    _bad("name-with-a-space", 8, whole(named("collections", "OrderedDict "))),
    _bad("name-with-a-return", 8, whole(named("collections\r", "OrderedDict"))),
    _bad("forgotten-call", 6, whole(called(*ORDERED) + b"0N")),
    # Names that are computed.
    _bad("name-of-a-call", 7, framed(short("os") + b"]\x93")),
    _bad("name-of-bytes", 7, framed(binary(b"os") + short("system") + b"\x93")),
    _bad("name-of-a-number", 7, framed(number(1) + number(2) + b"\x93")),
    # Calls.
    _bad("call-of-a-text", 9, whole(text("os.system") + several(text("echo")) + b"R")),
    _bad("call-of-a-list", 9, whole(b"])R")),
    _bad("ordered-dict-of-a-dict", 9, whole(called(*ORDERED, b"}"))),
    _bad("other-codec", 9, whole(called("_codecs", "encode", text("x"), text("rot13")))),
    _bad("factory-that-is-called", 9, whole(called("builtins", "list", b"]"))),
    _bad("factory-of-a-class", 9, whole(called("collections", "defaultdict", named(*ORDERED)))),
    _bad(
        "dtype-that-all-share",
        9,
        whole(called("numpy", "dtype", text("f4"), b"\x89", b"\x89") + several() + b"b"),
    ),
    _bad("bytearray-of-a-size", 9, whole(called("builtins", "bytearray", number(2**31 - 1)))),
    _bad("arguments-that-are-a-list", 9, whole(named(*ORDERED) + b"]R")),
    _bad("new-with-arguments", 9, whole(named(*ORDERED) + several(b"]") + b"\x81")),
    _bad(
        "new-with-names", 9, framed(named(*ORDERED) + b")" + mapping((short("a"), b"N")) + b"\x92")
    ),
    _bad(
        "array-of-a-subclass",
        9,
        whole(
            called(
                "numpy.core.multiarray",
                "_reconstruct",
                named("numpy", "dtype"),
                several(number(0)),
                binary(b"b"),
            ),
            3,
        ),
    ),
    _bad(
        "array-of-another-type-until-it-is-filled",
        9,
        whole(
            called(
                "numpy.core.multiarray",
                "_reconstruct",
                named("numpy", "ndarray"),
                several(number(0)),
                binary(b"O"),
            ),
            3,
        ),
    ),
    # States.
    _bad("state-of-a-dict", 10, whole(b"}" + mapping((text("a"), b"N")) + b"b")),
    _bad("state-of-a-function", 10, whole(named("_codecs", "encode") + b"}b")),
    _bad("state-of-a-class", 10, whole(named(*ORDERED) + mapping((text("__init__"), b"N")) + b"b")),
    _bad(
        "state-with-an-attribute",
        10,
        whole(called(*ORDERED) + mapping((text("__class__"), b"N")) + b"b"),
    ),
    _bad("state-of-slots", 10, whole(called(*ORDERED) + several(b"N", b"}") + b"b")),
    _bad("second-state", 10, whole(dtype() + _STATE + b"b")),
    # Opcodes that no writer uses.
    _bad("inst", 6, b"(S'echo'\nios\nsystem\n."),
    _bad("inst-of-a-listed-class", 6, b"(icollections\nOrderedDict\n."),
    _bad("obj", 6, whole(b"(" + named(*ORDERED) + b"o")),
    _bad("ext", 6, whole(b"\x82\x01")),
    _bad("ext2", 6, whole(b"\x83\x01\x00")),
    _bad("ext4", 6, whole(b"\x84\x01\x00\x00\x00")),
    _bad("dup", 6, whole(b"N2\x86")),
    _bad("pop", 6, whole(b"NN0")),
    _bad("pop-mark", 6, whole(b"N(N1")),
    _bad("persistent-line", 6, b"Pstorage\n."),
    _bad("buffer", 6, whole(b"\x97", 5)),
    _bad("readonly-buffer", 6, whole(b"N\x98", 5)),
    # The memo.
    _bad("slot-written-twice", 5, whole(text("a") + b"q\x00" + text("b") + b"q\x00\x86")),
    # MEMOIZE writes to the slot whose number is that of the slots written so far.
    _bad("slot-in-its-turn-written-twice", 5, whole(b"](" + _OTHER_NAMES + b"e", 4)),
    _bad("slot-behind-the-highest", 5, whole(b"Nq\x02\x94h\x03\x86", 4)),
    _bad("slot-read-before", 5, whole(b"h\x00")),
    _bad("slot-far-away", 5, whole(b"Nr\xff\xff\xff\x7f")),
    _bad("slot-of-nothing", 4, whole(b"q\x00N")),
    # The stack.
    _bad("underflow", 4, whole(b"a")),
    _bad("through-a-mark", 4, whole(b"](N(aN")),
    _bad("two-values", 4, whole(b"NN")),
    _bad("no-value", 4, whole(b"")),
    _bad("open-mark", 4, whole(b"(N")),
    _bad("no-mark", 4, whole(b"]e")),
    _bad("odd-items", 4, whole(b"}(Nu")),
    # The stream.
    _bad("cut", 1, whole(text("abc"))[:-3]),
    _bad("no-opcode", 1, whole(b"\xff")),
    _bad("opcode-of-a-later-protocol", 1, whole(short("a"), 2)),
    _bad("protocol-6", 1, b"\x80\x06N."),
    _bad("protocol-twice", 1, whole(b"\x80\x02N")),
    _bad("protocol-1-said", 1, b"\x80\x01N."),
    _bad("later-opcode-without-protocol", 1, b"\x8c\x01a."),
    _bad("text-not-utf-8", 1, whole(b"X\x01\x00\x00\x00\xff")),
    _bad("huge-text", 1, whole(b"\x8d" + b"\xff" * 8, 4)),
    _bad("huge-bytes", 1, whole(b"\x8e" + b"\xff" * 7 + b"\x7f", 4)),
    _bad("huge-number", 1, whole(b"\x8b\xff\xff\xff\x7f")),
    _bad("number-with-underscores", 1, b"I1_000\n."),
    _bad("number-with-spaces", 1, b"I 1\n."),
    _bad("text-without-quotes", 1, b"Sos\n."),
    _bad("nothing-of-a-pickle", 1, b"\x00" * 40),
    # Frames.
    _bad("frame-beyond-the-end", 2, framed(b"N", 99)),
    _bad("frame-that-cuts-an-opcode", 2, framed(short("abc") + b"0N", 3)),
    _bad("frame-behind-stop", 2, framed(b"N", 3) + b"N"),
    _bad("frame-in-a-frame", 2, framed(b"\x95\x02" + bytes(7) + b"N")),
    _bad("empty-frame", 2, b"\x80\x04\x95" + bytes(8) + b"N."),
    # The end.
    _bad("pickle-behind", 3, whole(b"N") + whole(_RUN)),
    _bad("byte-behind", 3, whole(b"N") + b"\x00"),
    # Containers.
    _bad("items-for-a-call", 11, whole(b"N" + text("a") + b"Ns")),
    _bad("items-for-a-tuple", 11, whole(b")Na")),
    _bad("items-for-a-set-by-append", 11, whole(b"\x8fNa", 4)),
    _bad("list-in-itself", 11, whole(b"]q\x00h\x00a")),
    _bad("items-after-it-went-away", 11, whole(b"]q\x00\x85h\x00Na\x86")),
    _bad("list-as-a-key", 11, whole(b"}]Ns")),
    _bad("key-that-takes-forever", 11, whole(b"}" + _key_bomb(16) + b"Ns")),
    _bad("dict-in-a-set", 11, whole(b"\x8f(}\x90", 4)),
    _bad("dict-in-a-set-by-call", 11, whole(called("builtins", "set", b"]}a"))),
    # Persistent ids.
    _bad("persistent", 12, whole(text("storage") + b"Q")),
    # Size.
    _bad("lists-of-lists", 13, whole(_nested(64))),
    # Arrays.
    _bad("array-of-objects", 14, whole(called("numpy", "dtype", text("O8"), b"\x89", b"\x88"))),
    _bad("dtype-with-a-flag-of-objects", 14, whole(dtype("f4", flags=63))),
    _bad("array-that-is-cut", 14, whole(array(several(number(9)), dtype(), binary(b"x")), 3)),
    _bad(
        "array-that-overflows",
        14,
        whole(
            array(several(number(2**31 - 1), number(2**31 - 1), number(4)), dtype(), binary(b"")), 3
        ),
    ),
    _bad(
        "scalar-of-another-size",
        14,
        whole(called("numpy.core.multiarray", "scalar", dtype(), binary(b"x")), 3),
    ),
    # Places.
    _bad("function-as-a-value", 15, whole(b"]" + named("_codecs", "encode") + b"a")),
    _bad("class-at-the-end", 15, whole(named("numpy", "ndarray"))),
    _bad("function-in-a-tuple", 15, whole(several(named("_codecs", "encode")))),
    _bad("dtype-half-made", 15, whole(called("numpy", "dtype", text("f4"), b"\x89", b"\x88"))),
)
#: Under names of other formats.
DISGUISED = (
    Vector(name="pickle", path="weights.bin.json", data=whole(_RUN), rule="FILE-1"),
    Vector(name="pickle-0", path="config.json", data=b"cos\nsystem\n(S'echo'\ntR.", rule="FILE-1"),
    Vector(name="pickle-0", path="README.md", data=b"cos\nsystem\n(S'echo'\ntR.", rule="FILE-1"),
    Vector(name="pickle-0", path="vocab.txt", data=b"(S'x'\nios\nsystem\n.", rule="FILE-1"),
    Vector(name="pickle", path="weights", data=whole(_RUN), rule="FILE-1"),
    Vector(name="pickle", path="model.safetensors", data=whole(_RUN), rule="FILE-1"),
    Vector(name="pickle", path="model.onnx", data=whole(_RUN), rule="FILE-1"),
    Vector(name="pickle", path="data.npy", data=whole(_RUN), rule="FILE-1"),
)
VECTORS = (*SOUND, *BAD, *DISGUISED)
