"""The same pickle without what a scanner cannot cope with: random data, and thousands of memo slots
that nobody reads.

Of 1,000 random bytes modelaudit-picklescan calls nine in ten malicious, since some of them look
like a pickle; picklescan, YARA-X and ClamAV see them as they are. It is asked after our own parser,
which lets a pickle import nothing that could unpickle data, and proves that a slot is written once
and before it is read, and that frames hold whole opcodes. Law: a pickle that passed there loads as
the same value as before, but for bytes and long texts, which are zeros.
"""

from __future__ import annotations

import pickletools
from array import array

#: How many bytes the length of what is data takes, by the opcode; all are little-endian.
_DATA = {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
#: Texts may be data as well, before protocol 3, or names.
_TEXTS = {
    "SHORT_BINSTRING": 1,
    "BINSTRING": 4,
    "SHORT_BINUNICODE": 1,
    "BINUNICODE": 4,
    "BINUNICODE8": 8,
}
#: No name on our lists is as long.
NAME_BYTES_MAX = 64
#: A pickle that writes no more slots is left with all of them, and with its frames.
SLOTS_MAX = 1000
_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
_READS = {"GET", "BINGET", "LONG_BINGET"}
_LONG_BINPUT = b"r"
#: In the place of a slot, since a frame whose bytes are fewer now has to go.
_FRAME = -1


def thinned(pickled: bytes, *, slots_max: int = SLOTS_MAX) -> bytes:
    """One pickle, thinned; from where it is none any more it stays as it is."""
    found = bytearray(pickled)
    memo = _Memo()
    try:
        for opcode, argument, at in pickletools.genops(pickled):
            start = at or 0
            memo.take(opcode.name, argument, start)
            _clear(found, opcode.name, start)
    except Exception:  # noqa: BLE001 - it raises whatever its parts do
        return bytes(found)
    return memo.cut(found) if len(memo.slots) > slots_max else bytes(found)


def _clear(found: bytearray, name: str, start: int) -> None:
    """Write zeros over an opcode's data."""
    width = _DATA.get(name) or _TEXTS.get(name, 0)
    if not width:
        return
    begin = start + 1 + width
    length = int.from_bytes(found[begin - width : begin], "little")
    if name in _DATA or length > NAME_BYTES_MAX:
        found[begin : begin + length] = bytes(length)


class _Memo:
    """Which slots of the memo are written where, and which are read.

    Arrays, since there may be millions of them in the memory that a jail has.
    """

    def __init__(self) -> None:
        self.slots: set[int] = set()
        self._read: set[int] = set()
        #: Of what may be cut: where it begins and ends, and the slot that it writes.
        self._begins, self._ends, self._written = array("q"), array("q"), array("q")
        self._is_memoize = bytearray()

    def take(self, name: str, argument: object, start: int) -> None:
        if len(self._ends) < len(self._begins):
            self._ends.append(start)
        if name in _READS:
            assert isinstance(argument, int)
            self._read.add(argument)
        elif name in _WRITES or name == "MEMOIZE":
            slot = argument if isinstance(argument, int) else len(self.slots)
            self.slots.add(slot)
            self._may_cut(start, slot, is_memoize=name == "MEMOIZE")
        elif name == "FRAME":
            self._may_cut(start, _FRAME)

    def _may_cut(self, start: int, slot: int, *, is_memoize: bool = False) -> None:
        self._begins.append(start)
        self._written.append(slot)
        self._is_memoize.append(is_memoize)

    def cut(self, pickled: bytearray) -> bytes:
        """Without frames and slots that nobody reads. The others are written under their number:
        one that is the next in its turn would be another now."""
        kept, at = bytearray(), 0
        writes = zip(self._begins, self._ends, self._written, self._is_memoize, strict=True)
        for begin, end, slot, is_memoize in writes:
            kept += pickled[at:begin]
            if slot in self._read:
                number = _LONG_BINPUT + slot.to_bytes(4, "little")
                kept += number if is_memoize else pickled[begin:end]
            at = end
        return bytes(kept + pickled[at:])
