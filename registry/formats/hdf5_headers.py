"""Object headers: what each object of the file is, as a list of messages.

Section IV.A.1 of the specification, IV.A.2.q for continuations, IV.A.2.c and IV.A.2.v for where an
object's links and attributes are stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.formats.hdf5_parts import NOWHERE, Part, Parts
from registry.formats.hdf5_rules import COVERED, give_up

NIL, DATASPACE, LINK_INFO, DATATYPE, OLD_FILL, FILL, LINK, EXTERNAL = range(8)
LAYOUT, GROUP_INFO, FILTERS, ATTRIBUTE, COMMENT, OLD_TIME = 8, 10, 11, 12, 13, 14
CONTINUATION, SYMBOL_TABLE, TIME, ATTRIBUTE_INFO, REFERENCES = 16, 17, 18, 21, 22

_SHARED = 0x02
#: Of a message: that it never changes, and that it may not be shared. Others are about messages
#: that a library does not know.
_FLAGS = 0x01 | 0x04
MESSAGES_MAX = 65_536
#: Version 1 begins with version, counts and sizes, filled up to eight bytes.
_PREFIX_BYTES = 16
#: Of a continuation: a message's head in version 1, signature and checksum in version 2.
_BLOCK_BYTES_MIN = 8
#: Of version 2: two bits of the size of the first block's length, creation order of attributes
#: tracked and indexed, limits of attributes stored, times stored.
_ORDER, _LIMITS, _TIMES = 0x04, 0x10, 0x20


@dataclass
class Header:
    address: int
    references: int = 1
    #: By their type, in order.
    messages: dict[int, list[Part]] = field(default_factory=dict)

    def all(self, kind: int) -> list[Part]:
        return self.messages.get(kind, [])


def read_header(parts: Parts, address: int, what: str) -> Header:
    """All messages of an object, with its continuations. Its bytes are claimed."""
    if parts.peek(address, 4, what).data == b"OHDR":
        return _read_second(parts, address, what)
    return _read_first(parts, address, what)


def _read_first(parts: Parts, address: int, what: str) -> Header:
    prefix = parts.take(address, _PREFIX_BYTES, what)
    version = prefix.number()
    if version != 1:
        give_up(
            parts.look,
            COVERED,
            f"{what}: found an object header of version {version}, expected 1 or 2",
            offset=address,
        )
    prefix.padding(1)
    count, references, length = prefix.number(2), prefix.number(4), prefix.number(4)
    prefix.padding()
    found = Header(address, references)
    blocks = [(address + _PREFIX_BYTES, length)]
    read = 0
    while blocks:
        block = parts.take(*blocks.pop(), what)
        while block.left:
            kind, size_bytes, flags = block.number(2), block.number(2), block.number()
            block.padding(3)
            if size_bytes % 8:
                block.wrong(f"found a message of {size_bytes} bytes, expected a multiple of 8")
            read += 1
            blocks += _add(parts, found, kind, flags, block.part(size_bytes, what))
    if read != count:
        prefix.wrong(f"found {read} messages, expected {count}")
    return found


def _read_second(parts: Parts, address: int, what: str) -> Header:
    # As long as a header's beginning can be; the file may end before.
    head = parts.peek(address, 6, what)
    head.expect(b"OHDR\x02", "signature and version")
    flags = head.number()
    if flags & 0xC0:
        head.wrong(f"found flags {flags:#x}")
    width = 1 << (flags & 3)
    before = 6 + (16 if flags & _TIMES else 0) + (4 if flags & _LIMITS else 0)
    length = parts.peek(address + before, width, what).number(width)
    header = parts.take(address, before + width + length + 4, what)
    header.check_sum()
    header.take(before + width)
    found = Header(address)
    blocks = _read_messages(parts, found, header, flags)
    while blocks:
        at, size_bytes = blocks.pop()
        block = parts.take(at, size_bytes, what)
        block.check_sum()
        block.expect(b"OCHK", "signature")
        blocks += _read_messages(parts, found, block, flags)
    for message in found.all(REFERENCES):
        message.expect(b"\0", "version")
        found.references = message.number(4)
        message.ended()
    return found


def _read_messages(parts: Parts, found: Header, block: Part, flags: int) -> list[tuple[int, int]]:
    blocks = []
    prefix_bytes = 6 if flags & _ORDER else 4
    while block.left >= prefix_bytes:
        kind, size_bytes, message_flags = block.number(), block.number(2), block.number()
        block.take(prefix_bytes - 4)
        message = block.part(size_bytes, block.what)
        blocks += _add(parts, found, kind, message_flags, message)
    # Too short for a message.
    block.padding()
    return blocks


def _add(
    parts: Parts, found: Header, kind: int, flags: int, message: Part
) -> list[tuple[int, int]]:
    """Where messages go on, if it is that which this one says."""
    parts.look.budget.step()
    if flags & _SHARED:
        give_up(
            parts.look,
            COVERED,
            f"{message.what}: found a message that is stored elsewhere, such as a named datatype",
            offset=message.at,
        )
    if flags & ~_FLAGS:
        message.wrong(f"found a message with flags {flags:#x}, expected {_FLAGS:#x} at most")
    if kind == NIL:
        message.padding()
        return []
    if kind == CONTINUATION:
        address, length = message.address(), message.number(8)
        message.padding()
        if length < _BLOCK_BYTES_MIN:
            message.wrong(f"found a continuation of {length} bytes")
        return [(address, length)]
    if sum(map(len, found.messages.values())) >= MESSAGES_MAX:
        message.wrong(f"found more than {MESSAGES_MAX} messages in one header")
    found.messages.setdefault(kind, []).append(message)
    return []


def check_storage(message: Part, order_bytes: int, what: str) -> None:
    """That all of an object's links or attributes are messages of its header, none in a fractal
    heap. `order_bytes` has the number that says which of them was made last."""
    message.expect(b"\0", "version")
    flags = message.number()
    if flags > 3:
        message.wrong(f"found flags {flags:#x}")
    if flags & 1:
        message.number(order_bytes)
    addresses = [message.address() for _ in range(3 if flags & 2 else 2)]
    message.padding()
    if any(each != NOWHERE for each in addresses):
        give_up(
            message.look,
            COVERED,
            f"{message.what}: found {what} in a fractal heap",
            offset=message.at,
        )
