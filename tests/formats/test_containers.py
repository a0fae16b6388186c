"""Laws of zip, tar and compressed streams: what usual tools write is read as they read it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.formats import compressed, nemo_targets, tar, zip_container
from registry.formats.look import Budget, Effect, Look, Notebook, SpentError, StopLooking
from registry.formats.source import BytesSource, Source, pieces
from registry.testing.vectors.zip_container import Part, zip_file

#: Names that no file system takes for one another.
NAMES = st.lists(
    st.from_regex(r"[a-z0-9é_-]{1,60}(/[a-z0-9_-]{1,60}){0,3}\.bin", fullmatch=True),
    unique=True,
    max_size=5,
).filter(lambda names: not any(n.startswith(f"{m}/") for n in names for m in names))

#: Of streams that may follow one another.
PACKERS = (gzip.compress, bz2.compress, lzma.compress, lz4.frame.compress)


def look_at(data: bytes, *, depth: int = 0, budget: Budget | None = None) -> Look:
    return Look(
        source=BytesSource(data),
        role="archive",
        files={},
        budget=budget or Budget(),
        book=Notebook(),
        depth=depth,
        inspect=lambda look: None,
    )


def whole(source: Source) -> bytes:
    return b"".join(pieces(source))


@settings(max_examples=40, deadline=None)
@given(NAMES, st.binary(max_size=3000), st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
@pytest.mark.slow
def test_members_are_those_that_zipfile_wrote(names: list[str], data: bytes, method: int) -> None:
    """The same names, the same bytes, at any depth, and no finding."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, data * number)

    for depth in (0, 1):
        look = look_at(packed.getvalue(), depth=depth)
        found = [(member.name, whole(member.source)) for member in zip_container.members(look)]
        assert found == [(name, data * number) for number, name in enumerate(names)]
        assert not look.book.notes


@settings(max_examples=40, deadline=None)
@given(NAMES, st.binary(max_size=3000), st.sampled_from((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)))
def test_members_are_those_that_tarfile_wrote(names: list[str], data: bytes, format: int) -> None:
    """The same names and bytes, also out of a compressed one."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as archive:
        for number, name in enumerate(names):
            entry = tarfile.TarInfo(name)
            entry.size = len(data) * number
            archive.addfile(entry, io.BytesIO(data * number))

    if not names:
        return
    look = look_at(packed.getvalue())
    found = [(member.name, whole(member.source)) for member in tar.members(look)]
    assert found == [(name, data * number) for number, name in enumerate(names)]
    assert not look.book.notes


@pytest.mark.parametrize("pack", [*PACKERS, zlib.compress])
@pytest.mark.slow
def test_what_comes_out_of_a_stream_went_in(pack: Callable[[bytes], bytes]) -> None:
    """Whole, in pieces, and read twice."""
    data = bytes(range(256)) * 20_000 + b"end"
    source = compressed.unpack(look_at(pack(data)))

    assert source.size_bytes == len(data)
    assert whole(source) == data
    assert source.read(5, 10) == data[5:15]


@pytest.mark.parametrize("pack", [*PACKERS, zlib.compress])
def test_no_stream_is_let_in_that_was_cut_or_has_more_behind(
    pack: Callable[[bytes], bytes],
) -> None:
    """Whichever byte is missing, and whatever follows."""
    data = pack(b"some text that is packed" * 3)
    for bad in (*(data[:end] for end in range(8, len(data))), data + b"\0", data + data[:5]):
        look = look_at(bad)
        with pytest.raises(StopLooking):
            compressed.unpack(look)
        assert {note.effect for note in look.book.notes} == {Effect.FAIL}


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.slow
def test_a_bomb_stops_at_the_budget(pack: Callable[[bytes], bytes]) -> None:
    """What a stream unpacks to is paid for while it is unpacked."""
    data = pack(bytes(30_000_000))
    with pytest.raises(SpentError):
        compressed.unpack(look_at(data, budget=Budget(unpacked_bytes=20_000_000)))


@pytest.mark.slow
def test_a_zip_bomb_stops_at_the_budget() -> None:
    """The same for deflated members."""
    data = zip_file(Part(data=bytes(30_000_000), is_deflated=True))
    with pytest.raises(SpentError):
        zip_container.members(look_at(data, budget=Budget(unpacked_bytes=20_000_000)))


def test_no_byte_of_a_stored_zip_goes_unread() -> None:
    """Each belongs to a header, which is checked, or to what is compared with a CRC-32."""
    data = zip_file(Part(), Part(name=b"b.safetensors"))
    look = look_at(data)
    found = zip_container.members(look)

    spans = [(check.start, check.end) for check in look.book.checksums]
    assert spans == [(each.offset, each.offset + each.size_bytes) for each in found]


def test_keys_may_hold_colons_where_nobody_unpacks_them() -> None:
    """As names of TensorFlow's variables in an npz do."""
    data = zip_file(Part(name=b"dense/kernel:0.npy"))
    look = look_at(data)

    assert zip_container.members(look, are_keys=True)[0].name == "dense/kernel:0.npy"
    assert not look.book.notes


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("nemo.collections.asr.models.EncDecCTCModel", True),
        ("torch.optim.AdamW", True),
        ("nemo.core.config.subprocess.Popen", False),
        ("nemo.collections.asr.models.os.system", False),
        ("torch.hub.load", False),
        ("builtins.eval", False),
    ],
)
def test_targets_of_nemo_are_its_classes(target: str, allowed: bool) -> None:
    """No name that goes through a module to another one's."""
    assert nemo_targets.is_allowed(target) is allowed
    assert bool(list(nemo_targets.bad_lines(f"a:\n  _target_: {target}"))) is not allowed
