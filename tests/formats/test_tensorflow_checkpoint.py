"""Checkpoint indices: what they tell, and that no bytes surprise their reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import FORESEEN, inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.testing.vectors.tensorflow_checkpoint import VECTORS, entry, index

ENDING = ".data-00000-of-00001"


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.data())
def test_tensors_cover_the_data_file_or_it_is_refused(
    sizes: list[int], data: st.DataObject
) -> None:
    """Left out, moved or overlapping: only an index that covers all of the file passes."""
    offsets = [4 * sum(sizes[:number]) for number in range(len(sizes))]
    changed = data.draw(st.sampled_from([None, *range(len(sizes))]))
    pairs = [
        (f"v{number:03}".encode(), entry([size], 4 * size, offset + 4 * (number == changed)))
        for number, (size, offset) in enumerate(zip(sizes, offsets, strict=True))
    ]

    found = inspect(BytesSource(index(*pairs)), "tensorflow-index", {f"v{ENDING}": 4 * sum(sizes)})

    assert (found.effect is Effect.ADVICE) == (changed is None)
    if changed is None:
        assert found.book.facts["data_files"] == [{"ending": ENDING, "length": 4 * sum(sizes)}]
        assert found.book.facts["parameters"] == sum(sizes)


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    """Checksums and the account of all bytes leave none that could be another."""
    vector = data.draw(st.sampled_from([each for each in VECTORS if not each.rule]))
    changed = bytearray(vector.data)
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))

    found = inspect(BytesSource(bytes(changed)), "tensorflow-index", vector.files)

    assert found.effect in (Effect.FAIL, Effect.UNKNOWN)
    assert all(note.rule is not FORESEEN for note in found.book.notes)
