"""The opcodes of one pickle, in order: its protocol and its frames are kept to.

The readers differ here: C's takes an opcode across the end of a frame, Python's does not, and
pickletools leaves frames alone (PEP 3154). What all of them read alike goes through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from registry.formats import pickle_rules as rules
from registry.formats.look import Look, Rule, SpentError
from registry.formats.pickle_opcodes import DecodeError, Opcode, OpcodeReader

#: So many at once are taken from the budget: one by one would take as long as reading them.
_STEPS = 256


class PickleStream:
    """From where the reader stands to STOP."""

    def __init__(self, look: Look, reader: OpcodeReader) -> None:
        self._look = look
        self._reader = reader
        self._protocol = 0
        self._frame_end: int | None = None
        #: Where the last opcode began, and how many there were.
        self.at = reader.at
        self.count = 0

    @property
    def is_in_frame(self) -> bool:
        return self._frame_end is not None

    def opcodes(self) -> Iterator[tuple[Opcode, object]]:
        """Each with its argument, frames left out. Stops with a finding where they end too soon."""
        self._begin()
        while True:
            self.at = self._reader.at
            self.count += 1
            if not self.count % _STEPS:
                self._look.budget.step(_STEPS)
            if self.count > rules.OPCODES_MAX:
                raise SpentError(f"it has more than {rules.OPCODES_MAX:,} opcodes")
            try:
                opcode = self._reader.opcode()
                value = self._reader.argument(opcode)
            except DecodeError as error:
                self._stop(rules.STREAM, str(error))
            self._check(opcode)
            if opcode.name == "FRAME":
                assert isinstance(value, int)
                self._begin_frame(value)
            else:
                yield opcode, value
            if opcode.name == "STOP":
                return

    def _begin(self) -> None:
        """PROTO is the first opcode or none; without it the protocol is 0 or 1."""
        try:
            if self._reader.peek() != b"\x80":
                self._protocol = 1
                return
            self._protocol = self._reader.take(2)[1]
        except DecodeError as error:
            self._stop(rules.STREAM, str(error))
        if not 2 <= self._protocol <= 5:
            self._stop(rules.STREAM, f"found protocol {self._protocol}, expected 2 to 5")

    def _check(self, opcode: Opcode) -> None:
        if opcode.protocol > self._protocol or opcode.name == "PROTO":
            self._stop(
                rules.STREAM, f"found {opcode.name} in the middle of protocol {self._protocol}"
            )
        end = self._frame_end
        if end is None:
            return
        if self._reader.at > end:
            self._stop(rules.FRAME, f"found {opcode.name} across the frame's end at byte {end}")
        if opcode.name == "FRAME":
            self._stop(rules.FRAME, f"found a frame within a frame that ends at byte {end}")
        if self._reader.at == end:
            self._frame_end = None
        elif opcode.name == "STOP":
            self._stop(rules.FRAME, f"found STOP before the frame's end at byte {end}")

    def _begin_frame(self, length: int) -> None:
        if not 1 <= length <= self._reader.left:
            self._stop(
                rules.FRAME, f"found a frame of {length} bytes, expected 1 to {self._reader.left}"
            )
        self._frame_end = self._reader.at + length

    def _stop(self, rule: Rule, message: str) -> NoReturn:
        self._look.stop(rule, message, offset=self.at)
