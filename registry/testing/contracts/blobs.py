"""What every BlobStore has to pass. Subclass, give the fixture `store` and the method `damage`."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import (
    AlreadyExistsError,
    CorruptBytesError,
    DigestMismatchError,
    HallmarkError,
    InvalidFieldError,
    NotFoundError,
    OffsetMismatchError,
    RangeNotSatisfiableError,
    SizeMismatchError,
)
from registry.ports.blobs import PIECE_BYTES, BlobStore

EMPTY = hashlib.sha256(b"").hexdigest()
ABSENT = "ab" * 32
#: Two whole pieces and a bit, without a period that would hide a piece in a wrong place.
LONG = b"".join(number.to_bytes(4, "big") for number in range(2 * PIECE_BYTES // 4 + 99))

HOSTILE_DIGESTS = (
    "",
    "ab",
    "AB" * 32,
    "ab" * 31 + "a",
    "ab" * 32 + "\n",
    "ab" * 31 + "/.",
    "../" * 21 + "a",
    "ab" * 31 + "\0a",
    "\uff41b" * 32,
    "sha256:" + "ab" * 32,
)
HOSTILE_KEYS = (
    "",
    ".",
    "..",
    "../blobs",
    "a/b",
    "/etc/passwd",
    "A",
    "a_b",
    "a\n",
    "a\0b",
    "é",
    "a" * 129,
    ".probe",
)

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


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fresh_key() -> str:
    return uuid.uuid4().hex


def put(store: BlobStore, data: bytes) -> str:
    """Store these bytes and return their sha256."""
    key = fresh_key()
    store.append(key, 0, [data])
    return store.commit(key, sha256_of(data), len(data)).sha256


def read(store: BlobStore, sha256: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.open_range(sha256, start, length))


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in parts, cut at these offsets."""
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


class BlobStoreContract:
    """The whole contract, on one empty store for each test."""

    @pytest.fixture
    def store(self) -> BlobStore:
        raise NotImplementedError("A subclass gives the store to test.")

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

    # -- staging

    def test_any_split_makes_the_same_blob(self, store: BlobStore) -> None:
        """Law: however bytes are cut into appends and pieces, the blob is the same."""
        cuts = st.lists(st.integers(0, 300), max_size=6)

        @settings(max_examples=30, deadline=None)
        @given(st.binary(max_size=300), cuts, cuts)
        def law(data: bytes, appends: list[int], pieces: list[int]) -> None:
            key = fresh_key()
            end = 0
            for part in cut(data, appends):
                end = store.append(key, end, cut(part, pieces))
            assert end == len(data)
            assert read(store, store.commit(key, sha256_of(data), end).sha256) == data

        law()

    def test_goes_on_where_it_was_cut(self, store: BlobStore) -> None:
        """What came before the sender broke off is kept, and the sender's own error comes out."""

        def broken() -> Iterator[bytes]:
            yield b"abc"
            yield b"de"
            raise ConnectionResetError("the sender went away")

        key = fresh_key()
        with pytest.raises(ConnectionResetError):
            store.append(key, 0, broken())
        found = store.staged(key)
        assert found is not None
        assert (found.key, found.size_bytes) == (key, 5)
        assert store.append(key, 5, [b"f"]) == 6
        assert read(store, store.commit(key, sha256_of(b"abcdef"), 6).sha256) == b"abcdef"

    @pytest.mark.parametrize("offset", [0, 2, 4, -1])
    def test_refuses_a_wrong_offset(self, store: BlobStore, offset: int) -> None:
        """Bytes that neither repeat nor leave out what is staged: anything else is refused."""
        key = fresh_key()
        store.append(key, 0, [b"abc"])
        with pytest.raises(OffsetMismatchError) as caught:
            store.append(key, offset, [b"x"])
        assert (caught.value.stored, caught.value.offset) == (3, offset)
        assert store.append(key, 3, []) == 3

    def test_a_new_key_starts_at_zero(self, store: BlobStore) -> None:
        """A refused first append leaves no key behind; an empty first one makes it."""
        key = fresh_key()
        with pytest.raises(OffsetMismatchError):
            store.append(key, 1, [b"x"])
        assert store.staged(key) is None
        store.append(key, 0, [])
        found = store.staged(key)
        assert found is not None
        assert found.size_bytes == 0

    def test_a_second_sender_takes_over(self, store: BlobStore) -> None:
        """While one sender hangs another goes on, and the first is refused when it comes back."""
        key = fresh_key()

        def hanging() -> Iterator[bytes]:
            yield b"one"
            assert store.append(key, 3, [b"two"]) == 6
            yield b"late"

        with pytest.raises(OffsetMismatchError) as caught:
            store.append(key, 0, hanging())
        assert (caught.value.stored, caught.value.offset) == (6, 3)
        assert store.commit(key, sha256_of(b"onetwo"), 6).size_bytes == 6

    @pytest.mark.parametrize("end", ["discarded", "committed"])
    def test_refuses_bytes_after_the_end(self, store: BlobStore, end: str) -> None:
        """A sender that outlives its key is refused and changes neither key nor blob."""
        key = fresh_key()
        sha256 = sha256_of(b"one")

        def outliving() -> Iterator[bytes]:
            yield b"one"
            if end == "discarded":
                store.discard(key)
            else:
                store.commit(key, sha256, 3)
            yield b"late"

        with pytest.raises(OffsetMismatchError):
            store.append(key, 0, outliving())
        assert store.staged(key) is None
        if end == "committed":
            assert read(store, sha256) == b"one"
            store.verify(sha256)

    def test_senders_at_once_never_mix(self, store: BlobStore) -> None:
        """Of eight senders racing from 0 on one wins each piece, and its bytes stay whole."""
        key = fresh_key()
        start = Barrier(8)

        def send(mark: int) -> int:
            start.wait()
            try:
                return store.append(key, 0, [bytes([mark]) * 10_000 for _ in range(5)])
            except OffsetMismatchError:
                return 0

        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(send, range(8)))
        assert sorted(ends) == [0] * 7 + [50_000]
        data = bytes([ends.index(50_000)]) * 50_000
        assert read(store, store.commit(key, sha256_of(data), len(data)).sha256) == data

    def test_lists_and_discards_staged_bytes(self, store: BlobStore) -> None:
        """All keys are listed until they are discarded or committed; discarding repeats."""
        keys = {fresh_key() for _ in range(3)}
        before_us = time.time_ns() // 1000 - 1_000_000
        for key in keys:
            store.append(key, 0, [b"abc"])
        listed = list(store.list_staged())
        assert {found.key for found in listed} == keys
        assert all(found.size_bytes == 3 for found in listed)
        assert all(found.update_time_us >= before_us for found in listed)
        gone, kept, committed = keys
        store.discard(gone)
        store.discard(gone)
        store.commit(committed, sha256_of(b"abc"), 3)
        assert [found.key for found in store.list_staged()] == [kept]

    def test_discards_what_never_came(self, store: BlobStore) -> None:
        """Discarding an unknown key in a store without anything staged is no error."""
        store.discard(fresh_key())
        assert list(store.list_staged()) == []

    # -- commit

    def test_nothing_is_visible_before_commit(self, store: BlobStore) -> None:
        """Staged bytes are no blob, even when all of them have come."""
        store.append(fresh_key(), 0, [b"abc"])
        assert store.stat(sha256_of(b"abc")) is None
        assert list(store.list_blobs()) == []

    @pytest.mark.parametrize("announced", [2, 4])
    def test_a_wrong_size_keeps_the_bytes(self, store: BlobStore, announced: int) -> None:
        """Too few or too many bytes are told with both numbers, and stay staged."""
        key = fresh_key()
        store.append(key, 0, [b"abc"])
        with pytest.raises(SizeMismatchError) as caught:
            store.commit(key, sha256_of(b"abc"), announced)
        assert (caught.value.found, caught.value.expected) == (3, announced)
        assert store.commit(key, sha256_of(b"abc"), 3).size_bytes == 3

    def test_a_wrong_digest_throws_the_bytes_away(self, store: BlobStore) -> None:
        """Bytes of another digest are told with both digests, and gone; nothing is visible."""
        key = fresh_key()
        store.append(key, 0, [b"abd"])
        with pytest.raises(DigestMismatchError) as caught:
            store.commit(key, sha256_of(b"abc"), 3)
        assert caught.value.found == sha256_of(b"abd")
        assert caught.value.expected == sha256_of(b"abc")
        assert store.staged(key) is None
        assert list(store.list_blobs()) == []

    def test_a_key_that_never_came_lacks_all_its_bytes(self, store: BlobStore) -> None:
        """Committing nothing as something says that 0 bytes are there, and makes no key."""
        key = fresh_key()
        with pytest.raises(SizeMismatchError) as caught:
            store.commit(key, sha256_of(b"abc"), 3)
        assert caught.value.found == 0
        assert store.staged(key) is None

    def test_commit_repeats(self, store: BlobStore) -> None:
        """Committing again after success succeeds, also by another key that sent nothing."""
        key = fresh_key()
        store.append(key, 0, [b"abc"])
        first = store.commit(key, sha256_of(b"abc"), 3)
        again = store.commit(key, sha256_of(b"abc"), 3)
        other = store.commit(fresh_key(), sha256_of(b"abc"), 3)
        assert first.create_time_us <= again.create_time_us <= other.create_time_us
        assert store.stat(sha256_of(b"abc")) == other

    def test_a_repeat_with_another_size_is_refused(self, store: BlobStore) -> None:
        """A blob that is there answers no commit that announces another size."""
        sha256 = put(store, b"abc")
        with pytest.raises(SizeMismatchError):
            store.commit(fresh_key(), sha256, 4)

    def test_equal_bytes_are_one_blob(self, store: BlobStore) -> None:
        """Sending bytes that are stored already leaves one blob and nothing staged."""
        assert put(store, b"abc") == put(store, b"abc")
        assert len(list(store.list_blobs())) == 1
        assert list(store.list_staged()) == []

    def test_many_commit_equal_bytes_at_once(self, store: BlobStore) -> None:
        """Eight threads committing equal bytes from their own keys all succeed with one blob."""
        start = Barrier(8)

        def send(_: int) -> str:
            start.wait()
            return put(store, LONG)

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(send, range(8))) == {sha256_of(LONG)}
        assert [found.sha256 for found in store.list_blobs()] == [sha256_of(LONG)]
        assert store.verify(sha256_of(LONG)).size_bytes == len(LONG)

    def test_many_commit_one_key_at_once(self, store: BlobStore) -> None:
        """Eight threads committing the same key all succeed: one publishes, the others find it."""
        key = fresh_key()
        store.append(key, 0, [LONG])
        start = Barrier(8)

        def commit(_: int) -> int:
            start.wait()
            return store.commit(key, sha256_of(LONG), len(LONG)).size_bytes

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(commit, range(8))) == {len(LONG)}
        assert store.staged(key) is None

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
