"""HDF5: what the parser tells of a file, and that nothing hides in one."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.formats.hdf5_data import fletcher32, unshuffled
from registry.formats.hdf5_parts import Spans, lookup3
from registry.formats.inspect import FORESEEN, Inspection, inspect
from registry.formats.look import Budget, Effect
from registry.formats.source import BytesSource, Unpacked
from registry.testing.vectors import hdf5_writing as w
from registry.testing.vectors.hdf5 import VECTORS
from registry.testing.vectors.hdf5_writing import Image
from registry.testing.vectors.keras_hdf5 import VECTORS as LEGACY
from registry.testing.vectors.keras_hdf5 import layer, legacy, model

SOUND = [each for each in (*VECTORS, *LEGACY) if not each.rule]
NAMES = st.text("abcé-.:", min_size=3, max_size=9)
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def _inspect(data: bytes, budget: Budget | None = None) -> Inspection:
    return inspect(BytesSource(data), "hdf5", {}, budget)


def test_facts_tell_what_a_legacy_model_is() -> None:
    """Its tensors by their paths, and who wrote it: the root's word goes before the weights'."""
    facts = _inspect(legacy(model(layer("Dense")))).book.facts

    assert facts["tensors"] == [
        {"name": "model_weights/a/a/bias:0", "dtype": "float32", "shape": [3]},
        {"name": "model_weights/a/a/kernel:0", "dtype": "float32", "shape": [2, 3]},
    ]
    assert (facts["keras_version"], facts["backend"]) == ("2.15.0", "tensorflow")


def test_plain_bytes_are_bfloat16_where_keras_says_so() -> None:
    """The attribute is Keras's; without it two bytes are two bytes."""
    image = Image()
    named = image.dataset(b"abcd", (2,), w.PLAIN, w.names("dtype", "bfloat16"))
    other = image.dataset(b"abcd", (2,), w.PLAIN)

    found = _inspect(image.done(image.group({"a": named, "b": other})))

    assert [each["dtype"] for each in found.book.facts["tensors"]] == ["bfloat16", "V2"]


@given(st.dictionaries(NAMES, SHAPES, max_size=8), st.booleans())
def test_tensors_are_those_that_were_written(
    shapes: Mapping[str, tuple[int, ...]], is_late: bool
) -> None:
    """All names, in a symbol table or as messages, each with its shape."""
    image = Image(is_late=is_late)
    # Names of a symbol table are in the order of their bytes.
    links = {
        name: image.dataset(w.floats(prod(shape)), shape)
        for name, shape in sorted(shapes.items(), key=lambda each: each[0].encode())
    }

    found = _inspect(image.done(image.group(links)))

    assert found.effect is Effect.ADVICE, found.book.notes
    said = {each["name"]: tuple(each["shape"]) for each in found.book.facts["tensors"]}
    assert said == shapes


@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    step=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    filters=st.permutations((w.SHUFFLE, w.DEFLATE, w.FLETCHER)),
    count=st.integers(0, 3),
    lacks=st.booleans(),
)
def test_all_chunks_are_there_or_it_does_not_pass(
    shape: list[int], step: list[int], filters: list[w.Filter], count: int, lacks: bool
) -> None:
    """Whatever filters pack them, in whatever order."""
    used = filters[:count]
    steps = tuple(step[: len(shape)])
    starts = product(*(range(0, axis, each) for axis, each in zip(shape, steps, strict=True)))
    pieces = {start: _packed(w.floats(prod(steps)), used) for start in starts}
    if lacks:
        pieces.popitem()
    if len(pieces) > 2 * w.CHUNKS:
        return
    image = Image()
    found = _inspect(
        image.done(image.group({"d": image.chunks(tuple(shape), steps, pieces, *used)}))
    )

    assert found.effect is (Effect.UNKNOWN if lacks else Effect.ADVICE), found.book.notes


def _packed(data: bytes, filters: list[w.Filter]) -> bytes:
    for each in filters:
        data = {
            w.SHUFFLE.kind: lambda data: (
                w.shuffled(data[: len(data) // 4 * 4], 4) + data[len(data) // 4 * 4 :]
            ),
            w.DEFLATE.kind: w.packed,
            w.FLETCHER.kind: w.fletcher32,
        }[each.kind](data)
    return data


@given(st.binary(max_size=200), st.integers(1, 9))
def test_shuffling_is_undone(data: bytes, size: int) -> None:
    """A rest that is no whole element stays where it is."""
    whole = len(data) // size * size

    assert unshuffled(w.shuffled(data[:whole], size) + data[whole:], size) == data


@given(st.binary(max_size=2000))
def test_fletcher32_is_that_of_its_definition(data: bytes) -> None:
    """Modulo 65,535, in which the writer's 65,535 is the same as 0."""
    stored = int.from_bytes(w.fletcher32(data)[-4:], "little")

    assert fletcher32(data) == (stored % 65536 % 65535, stored // 65536 % 65535)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)],
)
def test_lookup3_gives_the_values_that_its_author_published(text: bytes, expected: int) -> None:
    """Of lookup3.c's own tests."""
    assert lookup3(text) == expected


@settings(max_examples=300)
@given(st.data())
def test_bytes_that_are_changed_never_surprise_the_parser(data: st.DataObject) -> None:
    """Whatever is done to a file, there is a verdict."""
    changed = bytearray(data.draw(st.sampled_from([*VECTORS, *LEGACY])).data)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))

    assert all(note.rule is not FORESEEN for note in _inspect(bytes(changed)).book.notes)


@given(st.sampled_from(SOUND).map(lambda each: each.data), st.data())
def test_nothing_is_added_to_a_file(sound: bytes, data: st.DataObject) -> None:
    """What is added to a file's end, or in front, keeps it from passing."""
    more = data.draw(st.binary(min_size=1, max_size=40))

    assert _inspect(sound + more).effect is not Effect.ADVICE
    assert _inspect(more + sound).effect is not Effect.ADVICE


@given(st.data())
def test_any_changed_byte_is_noticed_where_there_are_checksums(data: st.DataObject) -> None:
    """In a late file these stand for all but the values."""
    image = Image(is_late=True)
    values = w.floats(6)
    sound = image.done(image.group({"d": image.dataset(values)}, w.names("a", "x")))
    begin = sound.index(values)
    places = [at for at in range(len(sound)) if not begin <= at < begin + len(values)]
    changed = bytearray(sound)
    changed[data.draw(st.sampled_from(places))] ^= data.draw(st.integers(1, 255))

    assert _inspect(sound).effect is Effect.ADVICE
    assert _inspect(bytes(changed)).effect is not Effect.ADVICE


def test_a_short_file_does_not_unpack_without_end() -> None:
    """Each chunk pays for what it claims to unpack to."""
    image = Image()
    step = (2**20,)
    pieces: Mapping[tuple[int, ...], bytes] = {
        (number * step[0],): zlib.compress(bytes(4 * step[0])) for number in range(4)
    }
    data = image.done(image.group({"d": image.chunks((4 * step[0],), step, pieces, w.DEFLATE)}))

    assert _inspect(data).effect is Effect.ADVICE
    assert _inspect(data, Budget(unpacked_bytes=2**20)).effect is Effect.UNKNOWN


def test_a_compressed_member_is_unpacked_once() -> None:
    """Parts do not lie in the order in which they are read."""
    sound = VECTORS[0].data
    times = 0

    def unpack() -> list[bytes]:
        nonlocal times
        times += 1
        return [sound]

    source = Unpacked(lambda: iter(unpack()), len(sound))

    assert inspect(source, "hdf5", {}).effect is Effect.ADVICE
    # Once to tell the kind, once to look, once to hash.
    assert times <= 3


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), max_size=60))
def test_no_two_parts_have_one_byte(spans: list[tuple[int, int]]) -> None:
    """Who comes later is refused, in whatever order they come and however many there are."""
    found, taken = Spans(block_max=3), set[int]()
    for start, length in spans:
        its_own = set(range(start, start + length))
        is_free = its_own.isdisjoint(taken)
        assert found.add(start, start + length) == is_free
        taken |= its_own if is_free else set()

    assert [byte for start, end in found for byte in range(start, end)] == sorted(taken)
