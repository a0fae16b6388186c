"""What every BlobStore has to pass on the way from the first byte sent to a blob."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import (
    DigestMismatchError,
    OffsetMismatchError,
    SizeMismatchError,
)
from registry.ports.blobs import BlobStore
from registry.testing.contracts.blob_samples import (
    LONG,
    cut,
    fresh_key,
    put,
    read,
    sha256_of,
)


class StagingContract:
    """Appends and commits, on one empty store for each test. A part of BlobStoreContract."""

    @pytest.fixture
    def store(self) -> BlobStore:
        raise NotImplementedError("A subclass gives the store to test.")

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
