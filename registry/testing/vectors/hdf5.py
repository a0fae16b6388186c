"""HDF5 files, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from registry.testing.vectors import Vector
from registry.testing.vectors import hdf5_writing as w
from registry.testing.vectors.hdf5_writing import Image, u

#: What makes the file's root.
Root = Callable[[Image], int]


def file(root: Root, *, is_late: bool = False) -> bytes:
    image = Image(is_late=is_late)
    return image.done(root(image))


def one(image: Image, *messages: w.Message) -> int:
    """A group of one dataset, `d` of two rows of three floats."""
    return image.group({"d": image.dataset()}, *messages)


SOUND = file(one)


def _good(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.h5", data=data)


def _bad(name: str, rule: int, data: bytes) -> Vector:
    return Vector(name=name, path="model.h5", data=data, rule=f"HDF5-{rule}")


def _unknown(name: str, rule: int, data: bytes) -> Vector:
    return replace(_bad(name, rule, data), fails=False)


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _with(*messages: w.Message, is_late: bool = False) -> bytes:
    return file(lambda image: one(image, *messages), is_late=is_late)


def _dataset(
    data: bytes,
    shape: tuple[int, ...],
    kind: bytes = w.FLOAT32,
    *more: w.Message,
    layout: bytes = b"",
) -> bytes:
    return file(
        lambda image: image.group(
            {"d": image.dataset(data, shape, kind, *more, layout=layout or None)}
        )
    )


def _floats(*more: w.Message) -> bytes:
    return _dataset(w.floats(2), (2,), w.FLOAT32, *more)


def _late_link(link: bytes) -> bytes:
    return _with((w.LINK, link), is_late=True)


def _alone(message: w.Message) -> bytes:
    return file(lambda image: image.header(message))


def _hidden() -> bytes:
    """Between two parts."""
    image = Image()
    image.put(b"hidden")
    return image.done(one(image))


def _chunked(*each: w.Filter, data: bytes = b"", mask: int = 0, change: w.Change = bytes) -> bytes:
    """Two chunks of two floats; `data` instead of the second, with these filters left out."""
    pieces: Mapping[tuple[int, ...], bytes] = {
        (0,): _packed(each, w.floats(2)),
        (2,): data or _packed(each, w.floats(2)),
    }
    masks: Mapping[tuple[int, ...], int] = {(2,): mask}
    image = Image()
    found = image.chunks((4,), (2,), pieces, *each, masks=masks, change=change)
    return image.done(image.group({"d": found}))


def _packed(each: tuple[w.Filter, ...], data: bytes) -> bytes:
    for one in each:
        if one.kind == w.DEFLATE.kind:
            data = w.packed(data)
        if one.kind == w.SHUFFLE.kind:
            data = w.shuffled(data, 4)
        if one.kind == w.FLETCHER.kind:
            data = w.fletcher32(data)
    return data


def _table(
    links: tuple[str, ...] = ("a", "b"),
    *,
    entries: w.Change = bytes,
    names: w.Change = bytes,
    tree: w.Change = bytes,
) -> bytes:
    """A root whose symbol table is changed."""
    image = Image()
    found = {name: image.dataset() for name in links}
    table = image.table(found, entries=entries, names=names, tree=tree)
    return image.done(image.header((w.TABLE, table)))


def _turned(leaf: bytes) -> bytes:
    """Two links in the other order."""
    return leaf[:8] + leaf[48:88] + leaf[8:48] + leaf[88:]


def _within_a_name() -> bytes:
    return _table(("abcdefgh1", "b"), entries=lambda leaf: _patched(leaf, 48, u(16)))


def _many(tree: w.Change = bytes) -> bytes:
    """Nine names in three leaves below three levels of nodes."""
    image = Image()
    links = {f"n{number}": image.dataset() for number in range(9)}
    table = image.table(links, per_leaf=3, per_node=2, tree=tree)
    return image.done(image.header((w.TABLE, table)))


def _many_chunks(change: w.Change = bytes) -> bytes:
    """Five chunks of two floats below three levels of nodes."""
    pieces: Mapping[tuple[int, ...], bytes] = {(2 * at,): w.floats(2) for at in range(5)}
    image = Image()
    found = image.chunks((10,), (2,), pieces, per_node=2, change=change)
    return image.done(image.group({"d": found}))


def _at_level(level: int, at: int, new: bytes) -> w.Change:
    """The nodes of that level are patched."""
    return lambda node: _patched(node, at, new) if node[5] == level else node


def _both(image: Image) -> int:
    found = image.dataset()
    link = (w.LINK, w.hard("e", image.dataset()))
    return image.header((w.TABLE, image.table({"d": found})), link)


def _late(*messages: w.Message) -> bytes:
    """With times and the like in the root's header."""
    image = Image(is_late=True)
    link = (w.LINK, w.hard("d", image.dataset()))
    return image.done(image.header(w.NO_HEAP, link, *messages, has_more=True))


def _texts(name: str, *values: bytes, behind: bytes = b"", used: int | None = None) -> bytes:
    """An attribute of texts in a global heap, of which it uses so many."""

    def root(image: Image) -> int:
        found = image.heap(*values, behind=behind)[:used]
        shape = w.space(len(found))
        return one(image, w.attribute(name, w.TEXTS, shape, b"".join(found)))

    return file(root)


def _group_in_itself() -> bytes:
    image, other = Image(is_late=True), Image(is_late=True)
    # Where the root will lie, behind a group that leads to it.
    other.group({"up": 0})
    root = other.put(b"")
    inner = image.group({"up": root})
    assert image.group({"in": inner}) == root
    return image.done(root)


def _twice() -> bytes:
    image = Image()
    found = image.dataset()
    return image.done(image.group({"a": found, "b": found}))


def _text_of_two() -> bytes:
    image = Image()
    found = image.heap(b"x")[0]
    return image.done(one(image, w.attribute("a", w.TEXTS, w.space(2), found + found)))


def _same_name() -> bytes:
    image = Image(is_late=True)
    other = image.dataset()
    return image.done(one(image, (w.LINK, w.hard("d", other))))


def _cached(table: bytes = b"") -> bytes:
    """Of which the superblock, too, says where the root's symbol table is."""
    image = Image()
    found = image.table({"d": image.dataset()})
    return image.done(image.header((w.TABLE, found)), table or found)


def _continued(*, length: int = 24) -> bytes:
    """A header whose last message lies elsewhere."""
    image = Image()
    found = image.table({"d": image.dataset()})
    block = image.put(u(w.TABLE, 2) + u(16, 2) + bytes(4) + found)
    head = b"\x01\0" + u(2, 2) + u(1, 4) + u(24, 4) + bytes(4)
    more = u(w.CONTINUATION, 2) + u(16, 2) + bytes(4) + u(block) + u(length)
    return image.done(image.put(head + more))


def _references(count: int) -> bytes:
    image = Image()
    table = image.table({"d": image.dataset()})
    return image.done(image.header((w.TABLE, table), references=count))


def _nested(depth: int, name: str = "g") -> bytes:
    image = Image(is_late=True)
    found = image.dataset()
    for _ in range(depth):
        found = image.group({name: found})
    return image.done(found)


def _without_second(node: bytes) -> bytes:
    """A tree of chunks, where each takes 32 bytes behind the first 24."""
    return (node[:6] + u(1, 2) + node[8:56] + node[88:112]).ljust(len(node), b"\0")


_COMPOUND = b"\x16\x01\0\0" + u(8, 4)
_LATE = file(one, is_late=True)
_DENSE = b"\0\0" + u(48) + w.NOWHERE
_LATER = b"\x04\x02" + bytes(14)
EXTERNAL = _late_link(w.external("s"))
_VIRTUAL = b"\x04\x03" + u(48) + u(1, 4)
_UNKNOWN = w.Filter(32015)

VECTORS = (
    _good("one-dataset", SOUND),
    _good("links-as-messages", _LATE),
    _good("no-links", file(lambda image: image.group({}))),
    _good("root-in-superblock", _cached()),
    _good("continued-header", _continued()),
    _good("compact", _dataset(b"", (2,), layout=w.compact(w.floats(2)))),
    _good("scalar", _dataset(w.floats(1), ())),
    _good("no-elements", _dataset(b"", (0, 3))),
    _good("bytes", _dataset(b"abc", (3,), w.UINT8)),
    _good("booleans", _dataset(b"\0\x01", (2,), w.BOOL)),
    _good("fixed-texts", _dataset(b"ab\0cd\0", (2,), w.text(3))),
    _good("plain-bytes", _dataset(b"abcd", (2,), w.PLAIN)),
    _good("attributes", _with(w.names("a", "x", "yy"), w.names("b", "z"))),
    _good("attribute-of-version-3", _with(w.attribute("é", w.INT8, w.space(version=2), b"1", 3))),
    _good("texts", _texts("a", b"x", b"", b"yyy")),
    _good("chunks", _chunked()),
    _good("packed-chunks", _chunked(w.SHUFFLE, w.DEFLATE, w.FLETCHER)),
    _good("checksum-inside", _chunked(w.FLETCHER, w.DEFLATE)),
    _good("deflate-left-out", _chunked(w.DEFLATE, data=w.floats(2), mask=1)),
    _unknown("superblock-of-version-1", 1, _patched(SOUND, 8, b"\x01")),
    _bad("short-addresses", 1, _patched(SOUND, 13, b"\x04")),
    _bad("base-address", 1, _patched(SOUND, 24, b"\x08")),
    _bad("trees-without-room", 1, _patched(SOUND, 16, b"\0")),
    _bad("file-is-open", 1, _patched(SOUND, 20, b"\x01")),
    _bad("bytes-behind", 2, SOUND + b"PK\x05\x06" + bytes(18)),
    _bad("cut", 2, SOUND[:-8]),
    _bad("data-beyond-the-end", 3, _dataset(b"", (2,), layout=w.contiguous(u(2**40), 8))),
    _bad("data-in-superblock", 3, _dataset(b"", (2,), layout=w.contiguous(u(8), 8))),
    _bad("text-of-two", 3, _text_of_two()),
    _bad("superblock-checksum", 4, _patched(_LATE, 11, b"\x01")),
    _bad("header-checksum", 4, _LATE[:-5] + bytes((_LATE[-5] ^ 1,)) + _LATE[-4:]),
    _bad("continuation-too-long", 5, _continued(length=23)),
    _bad("two-symbol-tables", 5, _cached(u(96) + u(104))),
    _bad(
        "names-out-of-order",
        5,
        _table(entries=_turned),
    ),
    _bad("too-many-links", 5, _table(entries=lambda leaf: _patched(leaf, 6, b"\x09"))),
    _bad("tree-neighbour", 5, _table(tree=lambda node: _patched(node, 8, u(96)))),
    _bad("level-too-high", 5, _table(tree=lambda node: _patched(node, 5, b"\x09"))),
    _bad(
        "name-within-a-name",
        5,
        _within_a_name(),
    ),
    _bad(
        "filters-without-chunks",
        5,
        _floats((w.FILTERS, w.filters(w.DEFLATE))),
    ),
    _bad("two-layouts", 5, _floats((w.LAYOUT, w.compact(w.floats(2))))),
    _bad("chunks-out-of-order", 5, _chunked(change=lambda node: _patched(node, 24 + 32 + 8, u(0)))),
    _bad("continuation-of-nothing", 5, _continued(length=0)),
    _good("room-not-cleared", _table(tree=lambda node: node[:-8] + b"\xff" * 8)),
    _good("empty-tree-not-cleared", _table((), tree=lambda node: node[:-8] + b"\xff" * 8)),
    _bad("inner-node-without-children", 5, _table((), tree=lambda node: _patched(node, 5, b"\1"))),
    _bad(
        "free-list-without-end", 5, _table(names=lambda names: names[:24] + w.NOWHERE + names[32:])
    ),
    _bad("name-with-two-ends", 15, _with(w.names("a\0", "x"))),
    _good("three-levels-of-names", _many()),
    _bad("table-and-messages", 5, file(_both)),
    _bad("links-of-no-group", 5, file(lambda image: image.header((w.LINK, w.hard("d", 96))))),
    _bad("names-of-other-bounds", 5, _many(_at_level(1, 24, u(16)))),
    _bad("names-beyond-bounds", 5, _many(_at_level(0, 40, u(8)))),
    _bad("level-left-out", 5, _many(_at_level(0, 5, b"\1"))),
    _bad("neighbour-of-names", 5, _many(_at_level(0, 16, w.NOWHERE))),
    _good("three-levels-of-chunks", _many_chunks()),
    _bad("chunks-of-other-bounds", 5, _many_chunks(_at_level(1, 32, u(1)))),
    _bad("neighbour-of-chunks", 5, _many_chunks(_at_level(0, 16, w.NOWHERE))),
    _bad("level-of-chunks-left-out", 5, _many_chunks(_at_level(0, 5, b"\1"))),
    _good("late-header-with-times", _late(w.names("a", "x"))),
    _bad("deflate-of-no-level", 5, _chunked(w.Filter(1, 1, (10,)))),
    _bad("last-key-in-a-chunk", 5, _many_chunks(_at_level(2, 24 + 32 * 2 + 16, u(3)))),
    _bad("shuffled-by-other-size", 5, _chunked(w.Filter(2, 1, (3,)))),
    _bad("chunk-elsewhere", 5, _chunked(change=lambda node: _patched(node, 24 + 32 + 8, u(3)))),
    _bad("soft-link", 6, _late_link(w.soft("s", "/d"))),
    _bad("external-link", 6, EXTERNAL),
    _bad("soft-link-in-table", 6, _table(entries=lambda leaf: _patched(leaf, 24, u(2) + u(16)))),
    _bad(
        "user-defined-link",
        6,
        _late_link(w.external("s").replace(b"\x40", b"\x41", 1)),
    ),
    _bad("external-data", 7, _floats((w.EXTERNAL, bytes(16)))),
    _bad("virtual-dataset", 7, _dataset(b"", (2,), layout=_VIRTUAL)),
    _bad("plugin", 8, _chunked(_UNKNOWN)),
    _unknown("lzf", 8, _chunked(w.Filter(32000))),
    _bad("too-few-bytes", 9, _dataset(w.floats(5), (2, 3))),
    _bad("compact-too-long", 9, _dataset(b"", (2,), layout=w.compact(w.floats(3)))),
    _bad("chunk-too-short", 9, _chunked(data=w.floats(1))),
    _bad("attribute-too-short", 9, _with(w.attribute("a", w.INT64, w.space(2), b"12345678"))),
    _unknown("never-written", 9, _dataset(b"", (10**6, 10**6))),
    _unknown("chunk-missing", 9, _chunked(change=_without_second)),
    _bad("group-in-itself", 10, _group_in_itself()),
    _unknown("two-names", 10, _twice()),
    _unknown("two-references", 10, _references(2)),
    _unknown("too-deep", 10, _nested(70)),
    _unknown("long-names", 10, _nested(30, "g" * 200)),
    _good("deep", _nested(30)),
    _bad("dataset-as-group", 5, _table(entries=lambda leaf: _patched(leaf, 24, u(1) + u(96)))),
    _unknown("compound", 11, _dataset(w.floats(2), (1,), _COMPOUND)),
    _unknown("odd-float", 11, _dataset(w.floats(1), (1,), w.FLOAT32[:-4] + u(126, 4))),
    _unknown("odd-integer", 11, _dataset(b"1", (1,), w.INT8[:-2] + u(7, 2))),
    _unknown(
        "links-in-fractal-heap",
        12,
        _alone((w.LINK_INFO, _DENSE)),
    ),
    _unknown("attributes-in-fractal-heap", 12, _with((w.ATTRIBUTE_INFO, _DENSE))),
    _unknown("unknown-message", 12, _with((200, b"12345678"))),
    _unknown("layout-of-version-4", 12, _dataset(b"", (2,), layout=_LATER)),
    _unknown("text-in-a-gap", 13, _hidden()),
    _unknown("text-in-padding", 13, _table(names=lambda names: _patched(names, 13, b"abc"))),
    _unknown("text-behind-heap", 13, _texts("a", b"x", behind=b"hidden")),
    _unknown("text-of-nobody", 13, _texts("a", b"x", b"y", used=1)),
    _bad("broken-stream", 14, _chunked(w.DEFLATE, data=b"no stream")),
    _bad("bytes-behind-stream", 14, _chunked(w.DEFLATE, data=w.packed(w.floats(2)) + b"more")),
    _bad("stream-too-long", 14, _chunked(w.DEFLATE, data=w.packed(bytes(1000)))),
    _bad("stream-too-short", 14, _chunked(w.DEFLATE, data=w.packed(bytes(4)))),
    _bad("other-fletcher32", 14, _chunked(w.FLETCHER, data=w.floats(3))),
    _bad("checksum-left-out", 14, _chunked(w.FLETCHER, data=w.floats(2), mask=1)),
    _bad("name-with-slash", 15, _table(("a/b",))),
    _bad("name-no-utf-8", 15, _table(names=lambda names: _patched(names, 9, b"\xff"))),
    _bad("link-twice", 15, _same_name()),
    _bad("pickle-as-attribute", 16, _with(w.names("info", "cos\nsystem\n(S'id'\ntR."))),
    _bad("pickle-as-text", 16, _texts("info", b"cos\nsystem\n(S'id'\ntR.")),
    _unknown("hickle", 16, _with(w.names("HICKLE_VERSION", "5.0.3"))),
    _good("attribute-with-slash", _with(w.names("m/s", "x"), w.names("note", "A note."))),
    _bad("attribute-twice", 15, _with(w.names("a", "x"), w.names("a", "y"))),
)
