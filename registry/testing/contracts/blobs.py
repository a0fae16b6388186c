"""What every BlobStore has to pass. Subclass, give the fixture `store` and the method `damage`."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import (
    AlreadyExistsError,
    CorruptBytesError,
    HallmarkError,
    InvalidFieldError,
    NotFoundError,
    RangeNotSatisfiableError,
)
from registry.ports.blobs import PIECE_BYTES, BlobStore
from registry.testing.contracts.blob_samples import (
    ABSENT,
    EMPTY,
    HOSTILE_DIGESTS,
    HOSTILE_KEYS,
    LONG,
    fresh_key,
    put,
    read,
    sha256_of,
)
from registry.testing.contracts.staging import StagingContract

DIGEST_CALLS: tuple[Callable[[BlobStore, str], object], ...] = (
    lambda store, sha256: store.stat(sha256),
    lambda store, sha256: store.open_range(sha256),
    lambda store, sha256: store.verify(sha256),
    lambda store, sha256: store.copy_to(sha256, Path("never-made")),
    lambda store, sha256: store.delete(sha256),
    lambda store, sha256: store.commit("key", sha256, 0),
)
KEY_CALLS: tuple[Callable[[BlobStore, str], object], ...] = (
    lambda store, key: store.append(key, 0, [b"x"]),
    lambda store, key: store.staged(key),
    lambda store, key: store.discard(key),
    lambda store, key: store.commit(key, EMPTY, 0),
)


class BlobStoreContract(StagingContract):
    """The whole contract, on one empty store for each test."""

    def damage(self, store: BlobStore, sha256: str, data: bytes) -> None:
        """Put other bytes in the place of a blob, behind the back of the store."""
        raise NotImplementedError("A subclass knows where the bytes lie.")

    # -- one blob

    def test_stores_what_was_sent(self, store: BlobStore) -> None:
        """Bytes sent and committed come back whole, and their stat tells digest, size and time."""
        before_us = time.time_ns() // 1000
        sha256 = put(store, LONG)
        found = store.stat(sha256)
        assert found is not None
        assert (found.sha256, found.size_bytes) == (sha256, len(LONG))
        assert before_us <= found.create_time_us <= time.time_ns() // 1000
        assert read(store, sha256) == LONG
        assert store.verify(sha256) == found

    def test_stores_the_empty_blob(self, store: BlobStore) -> None:
        """The empty blob is a blob like others, read without any piece."""
        key = fresh_key()
        assert store.append(key, 0, []) == 0
        assert store.commit(key, EMPTY, 0).size_bytes == 0
        assert list(store.open_range(EMPTY)) == []
        assert store.verify(EMPTY).size_bytes == 0

    def test_commits_the_empty_blob_from_a_key_that_never_came(self, store: BlobStore) -> None:
        """Nothing sent is no bytes sent, which is the empty blob."""
        assert store.commit(fresh_key(), EMPTY, 0).sha256 == EMPTY
        assert store.stat(EMPTY) is not None

    def test_knows_what_is_not_there(self, store: BlobStore, tmp_path: Path) -> None:
        """An unknown blob has no stat, and reading it raises from the call itself."""
        assert store.stat(ABSENT) is None
        with pytest.raises(NotFoundError):
            store.open_range(ABSENT)
        with pytest.raises(NotFoundError):
            store.verify(ABSENT)
        with pytest.raises(NotFoundError):
            store.copy_to(ABSENT, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()

    # -- ranges

    @pytest.mark.parametrize(
        ("start", "length"),
        [
            (0, 0),
            (0, 1),
            (len(LONG) - 1, 1),
            (len(LONG), None),
            (len(LONG), 5),
            (len(LONG) - 1, 99),
            (PIECE_BYTES - 1, 2),
            (PIECE_BYTES, PIECE_BYTES),
            (1, 2 * PIECE_BYTES),
            (7, None),
        ],
    )
    def test_reads_ranges(self, store: BlobStore, start: int, length: int | None) -> None:
        """A range is a slice, its edges included, in pieces of at most 1 MB and never empty."""
        sha256 = put(store, LONG)
        pieces = list(store.open_range(sha256, start, length))
        end = None if length is None else start + length
        assert b"".join(pieces) == LONG[start:end]
        assert all(1 <= len(piece) <= PIECE_BYTES for piece in pieces)

    @pytest.mark.parametrize(
        ("start", "length"), [(4, None), (4, 0), (4, 1), (-1, None), (-1, 2), (0, -1)]
    )
    def test_refuses_ranges_outside(self, store: BlobStore, start: int, length: int | None) -> None:
        """A start past the end or a negative number raises from the call and tells the size."""
        sha256 = put(store, b"abc")
        with pytest.raises(RangeNotSatisfiableError) as caught:
            store.open_range(sha256, start, length)
        assert caught.value.size == 3

    def test_closes_pieces_at_any_time(self, store: BlobStore) -> None:
        """Pieces can be closed before the first one, in the middle and twice; then they end."""
        sha256 = put(store, LONG)
        unread = store.open_range(sha256)
        unread.close()
        assert list(unread) == []
        begun = store.open_range(sha256)
        next(begun)
        begun.close()
        begun.close()
        assert list(begun) == []

    def test_many_read_at_once(self, store: BlobStore) -> None:
        """Eight threads read their own ranges of one blob without disturbing each other."""
        sha256 = put(store, LONG)
        starts = [number * 100_001 for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda start: read(store, sha256, start), starts))
        assert found == [LONG[start:] for start in starts]

    def test_any_range_is_the_slice(self, store: BlobStore) -> None:
        """Law: for 0 <= start <= size and length >= 0, a range reads data[start:start+length]."""
        data = LONG[: PIECE_BYTES + 1000]
        sha256 = put(store, data)
        near = st.sampled_from([0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, len(data)])

        @settings(max_examples=30, deadline=None)
        @given(near | st.integers(0, len(data)), st.none() | near | st.integers(0, 2 * len(data)))
        def law(start: int, length: int | None) -> None:
            end = None if length is None else start + length
            assert read(store, sha256, start, length) == data[start:end]

        law()

    # -- damage

    def test_verify_finds_a_flipped_bit(self, store: BlobStore) -> None:
        """One changed bit is found by verify, which tells the digest that it found."""
        sha256 = put(store, LONG)
        flipped = bytearray(LONG)
        flipped[PIECE_BYTES + 5] ^= 1
        self.damage(store, sha256, bytes(flipped))
        with pytest.raises(CorruptBytesError, match=sha256_of(bytes(flipped))):
            store.verify(sha256)

    @pytest.mark.parametrize("stored", [LONG[:-1], LONG + b"x", b""])
    def test_reading_finds_a_wrong_size(self, store: BlobStore, stored: bytes) -> None:
        """A blob cut short or grown is refused by the call that names the size on record."""
        sha256 = put(store, LONG)
        assert b"".join(store.open_range(sha256, 1, 3, size_bytes=len(LONG))) == LONG[1:4]
        self.damage(store, sha256, stored)
        with pytest.raises(CorruptBytesError, match=f"{len(stored)} bytes are stored"):
            store.open_range(sha256, size_bytes=len(LONG))
        with pytest.raises(CorruptBytesError):
            store.verify(sha256)

    @pytest.mark.parametrize("stored", [b"abd", b"ab", b""])
    def test_sending_again_mends_a_damaged_blob(self, store: BlobStore, stored: bytes) -> None:
        """A commit of the true bytes takes the place of what was damaged, whatever its size."""
        sha256 = put(store, b"abc")
        self.damage(store, sha256, stored)
        assert put(store, b"abc") == sha256
        assert store.verify(sha256).size_bytes == 3

    # -- copies

    def test_copies_are_files_of_their_own(self, store: BlobStore, tmp_path: Path) -> None:
        """A copy has the blob's bytes, and writing to it leaves the blob alone."""
        sha256 = put(store, LONG)
        path = tmp_path / "copy"
        store.copy_to(sha256, path)
        assert path.read_bytes() == LONG
        path.write_bytes(b"mine")
        assert store.verify(sha256).size_bytes == len(LONG)

    def test_copies_replace_nothing(self, store: BlobStore, tmp_path: Path) -> None:
        """Where a file is already, no copy is made and the file stays as it was."""
        sha256 = put(store, b"abc")
        path = tmp_path / "copy"
        path.write_bytes(b"mine")
        with pytest.raises(AlreadyExistsError):
            store.copy_to(sha256, path)
        assert path.read_bytes() == b"mine"

    # -- listing and removing

    def test_lists_all_blobs(self, store: BlobStore) -> None:
        """The list has each blob once, as its stat says."""
        stored = {put(store, bytes([number])) for number in range(20)}
        listed = list(store.list_blobs())
        assert {found.sha256 for found in listed} == stored
        assert len(listed) == 20
        assert all(found == store.stat(found.sha256) for found in listed)

    def test_listing_bears_changes(self, store: BlobStore) -> None:
        """Blobs deleted while the list is read are left out or listed, but break nothing."""
        stored = {put(store, bytes([number])) for number in range(10)}
        for found in store.list_blobs():
            store.delete(found.sha256)
            stored.remove(found.sha256)
        assert not stored

    def test_deletes(self, store: BlobStore) -> None:
        """A deleted blob is gone; deleting it again says that there was none."""
        sha256 = put(store, b"abc")
        other = put(store, b"other")
        assert store.delete(sha256)
        assert not store.delete(sha256)
        assert store.stat(sha256) is None
        assert [found.sha256 for found in store.list_blobs()] == [other]
        assert put(store, b"abc") == sha256

    def test_a_sweep_spares_what_was_committed_since(self, store: BlobStore) -> None:
        """With a time, only older blobs are deleted, and every commit makes its blob young."""
        sha256 = put(store, b"abc")
        first = store.stat(sha256)
        assert first is not None
        assert not store.delete(sha256, older_than_us=first.create_time_us)
        time.sleep(0.001)
        for key in (fresh_key(), fresh_key()):
            store.commit(key, sha256, 3)
            assert not store.delete(sha256, older_than_us=first.create_time_us + 1)
        latest = store.stat(sha256)
        assert latest is not None
        assert store.delete(sha256, older_than_us=latest.create_time_us + 1)

    # -- hostile input, health

    @pytest.mark.parametrize("call", DIGEST_CALLS)
    @pytest.mark.parametrize("sha256", HOSTILE_DIGESTS)
    def test_refuses_hostile_digests(
        self, store: BlobStore, call: Callable[[BlobStore, str], object], sha256: str
    ) -> None:
        """What is no digest is refused by every call before anything is touched."""
        self.refused(store, call, sha256)

    @pytest.mark.parametrize("call", KEY_CALLS)
    @pytest.mark.parametrize("key", HOSTILE_KEYS)
    def test_refuses_hostile_keys(
        self, store: BlobStore, call: Callable[[BlobStore, str], object], key: str
    ) -> None:
        """What is no key is refused by every call before anything is touched."""
        self.refused(store, call, key)

    def refused(
        self, store: BlobStore, call: Callable[[BlobStore, str], object], name: str
    ) -> None:
        with pytest.raises(InvalidFieldError) as caught:
            call(store, name)
        assert str(caught.value).isprintable()
        assert list(store.list_blobs()) == []
        assert list(store.list_staged()) == []

    def test_takes_the_longest_key(self, store: BlobStore) -> None:
        """A key of 128 characters is staged and committed like any other."""
        key = "a-0" * 42 + "zz"
        store.append(key, 0, [b"abc"])
        assert store.commit(key, sha256_of(b"abc"), 3).size_bytes == 3

    def test_check_leaves_nothing_behind(self, store: BlobStore) -> None:
        """A store in good health passes its check, several at once too, and shows no trace."""
        sha256 = put(store, b"abc")
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _: store.check(), range(8))) == [None] * 8
        assert [found.sha256 for found in store.list_blobs()] == [sha256]
        assert list(store.list_staged()) == []

    def test_all_refusals_read_well(self, store: BlobStore) -> None:
        """Each refusal is a sentence that names the upload or the blob in question."""
        key = fresh_key()
        sha256 = put(store, b"abc")
        refusals: list[tuple[Callable[[], object], str]] = [
            (lambda: store.append(key, 7, [b"x"]), key),
            (lambda: store.commit(key, ABSENT, 3), key),
            (lambda: store.verify(ABSENT), ABSENT),
            (lambda: store.open_range(sha256, 9), sha256),
            (lambda: store.open_range(sha256, size_bytes=9), sha256),
        ]
        for call, named in refusals:
            with pytest.raises(HallmarkError, match=named):
                call()
