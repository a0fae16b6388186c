"""Reception: the bytes of upload sessions come in, are verified, and become blobs.

One request at a time writes a file. A cut loses nothing: what arrived is kept, and the next request
goes on there. What is known only here, and lost in a restart, is a convenience: who is writing
now, and which file failed just before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from registry.domain.access import Action
from registry.domain.events import EventDraft
from registry.domain.manifests import ManifestFile
from registry.domain.uploads import (
    Upload,
    UploadFile,
    UploadFileState,
    UploadState,
    staging_key,
)
from registry.errors import (
    DigestMismatchError,
    NotFoundError,
    OffsetMismatchError,
    PermissionDeniedError,
    SizeMismatchError,
    TicketError,
    TokenExpiredError,
    TokenRevokedError,
    TooLargeError,
    UnauthenticatedError,
    UploadBusyError,
)
from registry.names.text import show
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.authentication import Authenticator
from registry.services.recent import Recent
from registry.services.tickets import TicketSigner, UploadTicket

#: A session's end is moved in the database at most so often.
EXTEND_US = 60 * 1_000_000
#: A request that brought no byte for so long gives way to one that goes on in its place: its
#: client may have vanished without a word.
STALLED_US = 10 * 1_000_000
#: Whoever sends for long is asked again so often whether they still may.
RECHECK_US = 15_000_000
REMEMBERED_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class FileStatus:
    """How far a file is. `failed`: what came was not what was announced, it starts again at 0."""

    #: `uploads/{id}`, and the id of who sends.
    upload: str
    principal: str
    state: UploadFileState
    offset_bytes: int
    size_bytes: int
    failed: bool = False


@dataclass(kw_only=True)
class _Writer:
    """One request that is writing a file."""

    ticket: UploadTicket
    progress_us: int
    expire_time_us: int
    recheck_us: int
    verifying: bool = False


class Reception:
    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        signer: TicketSigner,
        authenticator: Authenticator,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._signer = signer
        self._authenticator = authenticator
        self._lock = threading.Lock()
        self._writers: dict[str, _Writer] = {}
        self._failed = Recent(REMEMBERED_MAX)
        # Blobs that are made of verified bytes, while the database could not be told so yet.
        self._proven = Recent(REMEMBERED_MAX)

    def append(
        self, ticket: str, offset: int, pieces: Iterable[bytes], *, length: int | None
    ) -> FileStatus:
        """Take bytes in from `offset` on; with the last one verify and store the file.

        `length` is how many bytes are announced, None where nobody knows. No bytes at the full
        size verify again. What came before `pieces` raised, or any error, is kept; only what turns
        out to be other bytes than announced is thrown away (DigestMismatchError).
        Every `RECHECK_US` it is asked whether the sender still may; that a token has only expired
        ends nothing.

        Raises TicketError, NotFoundError, OffsetMismatchError, UploadBusyError, TooLargeError,
        and what the store raises.
        """
        held = self._signer.read(ticket, UploadTicket)
        upload, file = self._open(held)
        if offset + (length or 0) > file.file.size_bytes:
            raise _too_long(upload, file.file)
        if file.stored:
            return _append_to_stored(upload, file, offset, pieces)
        key = staging_key(upload.id, file.file.sha256)
        with self._writing(key, upload, held) as writer:
            self._failed.discard(key)
            if not (key in self._proven and offset == file.file.size_bytes):
                checked = self._checked(upload, file.file, writer, offset, pieces)
                with _told_as(upload, file.file):
                    staged_bytes = self._blobs.append(key, offset, checked)
                if staged_bytes < file.file.size_bytes:
                    return _status(upload, file, UploadFileState.RECEIVING, staged_bytes)
            return self._store(upload, file, writer)

    def state(self, ticket: str) -> FileStatus:
        """How far the file is. A file that is whole but not verified, since the server stopped
        in between, is verified now."""
        held = self._signer.read(ticket, UploadTicket)
        upload, file = self._open(held)
        status = self.status_of(upload, file)
        if status.state is not UploadFileState.RECEIVING:
            return status
        if status.offset_bytes == 0:
            # Bytes that were staged when we looked up the session may be stored by now.
            upload, file = self._open(held)
            if not file.stored:
                return status
            return _status(upload, file, UploadFileState.STORED, file.file.size_bytes)
        if status.offset_bytes < file.file.size_bytes:
            return status
        try:
            with self._writing(staging_key(upload.id, file.file.sha256), upload, held) as writer:
                return self._store(upload, file, writer)
        except UploadBusyError:
            return self.status_of(upload, file)
        except DigestMismatchError:
            return _status(upload, file, UploadFileState.RECEIVING, 0, failed=True)

    def status_of(self, upload: Upload, file: UploadFile) -> FileStatus:
        """How far a file of a live session is, just looked at."""
        size_bytes = file.file.size_bytes
        if file.stored:
            return _status(upload, file, UploadFileState.STORED, size_bytes)
        key = staging_key(upload.id, file.file.sha256)
        writer = self._writers.get(key)
        if writer is not None and writer.verifying:
            return _status(upload, file, UploadFileState.VERIFYING, size_bytes)
        if key in self._proven:
            return _status(upload, file, UploadFileState.RECEIVING, size_bytes)
        staged = self._blobs.staged(key)
        offset = 0 if staged is None else staged.size_bytes
        failed = offset == 0 and key in self._failed
        return _status(upload, file, UploadFileState.RECEIVING, offset, failed=failed)

    def _open(self, ticket: UploadTicket, *, begun: bool = False) -> tuple[Upload, UploadFile]:
        """The session, with this file alone, that a ticket still lets bytes in to. Of a request
        that has `begun` in time the token may have expired meanwhile."""
        upload = self._database.read(lambda tx: tx.uploads.find(ticket.upload, ticket.sha256))
        if upload is None or upload.creator != ticket.principal or not upload.files:
            raise NotFoundError(
                kind="file of that digest in upload session",
                name=f"uploads/{ticket.upload}",
                fix="Open a new session: hallmark push does.",
            )
        try:
            caller = self._authenticator.caller_of(ticket.principal, ticket.token, begun=begun)
            caller.require(Action.VERSION_CREATE, upload.namespace, f"models/{upload.model}")
        except (
            UnauthenticatedError,
            TokenExpiredError,
            TokenRevokedError,
            PermissionDeniedError,
        ) as error:
            raise TicketError(problem=str(error).rstrip("."), fix=ticket.FIX) from error
        if upload.state_at(self._clock.now_us()) is UploadState.EXPIRED:
            raise _ended(upload)
        stored = all(file.stored for file in upload.files)
        return upload, UploadFile(file=upload.files[0].file, stored=stored)

    @contextmanager
    def _writing(self, key: str, upload: Upload, ticket: UploadTicket) -> Iterator[_Writer]:
        """Be the only one who writes this file, or raise UploadBusyError."""
        now = self._clock.now_us()
        writer = _Writer(
            ticket=ticket,
            progress_us=now,
            expire_time_us=upload.expire_time_us,
            recheck_us=now + RECHECK_US,
        )
        with self._lock:
            other = self._writers.get(key)
            if other is not None and other.verifying:
                raise UploadBusyError(what=upload.name, doing="verifying")
            if other is not None and now - other.progress_us < STALLED_US:
                raise UploadBusyError(what=upload.name, doing="sending")
            self._writers[key] = writer
        try:
            yield writer
        finally:
            with self._lock:
                if self._writers.get(key) is writer:
                    del self._writers[key]

    def _checked(
        self,
        upload: Upload,
        file: ManifestFile,
        writer: _Writer,
        offset: int,
        pieces: Iterable[bytes],
    ) -> Iterator[bytes]:
        """The pieces, as long as they are welcome."""
        key = staging_key(upload.id, file.sha256)
        for piece in pieces:
            offset += len(piece)
            if offset > file.size_bytes:
                raise _too_long(upload, file)
            if self._writers.get(key) is not writer:
                raise UploadBusyError(what=upload.name, doing="sending")
            writer.progress_us = self._clock.now_us()
            self._require_still(writer)
            self._extend(upload, file, writer)
            yield piece

    def _require_still(self, writer: _Writer) -> None:
        """What has begun in time may end, though the ticket or its token has expired meanwhile; but
        not once anything else that `_open` asks was taken away."""
        if writer.progress_us < writer.recheck_us:
            return
        self._open(writer.ticket, begun=True)
        writer.recheck_us = writer.progress_us + RECHECK_US

    def _extend(self, upload: Upload, file: ManifestFile, writer: _Writer) -> None:
        if upload.end_after(writer.progress_us) <= writer.expire_time_us:
            return
        # A little ahead, so that the bytes of the next minute find it moved already.
        end_us = upload.end_after(writer.progress_us + EXTEND_US)

        def fn(tx: Transaction) -> None:
            tx.uploads.extend(self._live(tx, upload, file).key, end_us)

        self._database.write(fn, namespace=upload.namespace)
        writer.expire_time_us = end_us

    def _store(self, upload: Upload, file: UploadFile, writer: _Writer) -> FileStatus:
        """Verify all bytes, which are here, and make them a blob of the session's namespace."""
        sha256 = file.file.sha256
        key = staging_key(upload.id, sha256)
        with self._lock:
            if self._writers.get(key) is not writer:
                raise UploadBusyError(what=upload.name, doing="sending")
            writer.verifying = True
        if key not in self._proven:
            try:
                with _told_as(upload, file.file):
                    self._blobs.commit(key, sha256, file.file.size_bytes)
            except DigestMismatchError:
                self._failed.add(key)
                raise
            except SizeMismatchError as error:
                # All bytes were here just now: the session's end took them away.
                raise _ended(upload) from error
            self._proven.add(key)

        def fn(tx: Transaction) -> None:
            live = self._live(tx, upload, file.file)
            if all(file.stored for file in live.files):
                return
            tx.blob_grants.add(live.namespace, {sha256})
            end_us = max(live.expire_time_us, live.end_after(self._clock.now_us()))
            tx.uploads.mark_stored(live.key, sha256, end_us)
            tx.events.append(_stored_event(live, file.file))

        self._database.write(fn, namespace=upload.namespace)
        self._proven.discard(key)
        return _status(upload, file, UploadFileState.STORED, file.file.size_bytes)

    def _live(self, tx: Transaction, upload: Upload, file: ManifestFile) -> Upload:
        found = tx.uploads.find(upload.id, file.sha256)
        if found is None or found.state_at(self._clock.now_us()) is UploadState.EXPIRED:
            raise _ended(upload)
        return found


def _status(
    upload: Upload,
    file: UploadFile,
    state: UploadFileState,
    offset_bytes: int,
    *,
    failed: bool = False,
) -> FileStatus:
    return FileStatus(
        upload=upload.name,
        principal=upload.creator,
        state=state,
        offset_bytes=offset_bytes,
        size_bytes=file.file.size_bytes,
        failed=failed,
    )


def _append_to_stored(
    upload: Upload, file: UploadFile, offset: int, pieces: Iterable[bytes]
) -> FileStatus:
    """A sender whose reply was lost may ask again, but there is nothing left to send."""
    size_bytes = file.file.size_bytes
    if offset != size_bytes:
        what = _named(upload, file.file)
        raise OffsetMismatchError(what=what, stored=size_bytes, offset=offset)
    if any(pieces):
        raise _too_long(upload, file.file)
    return _status(upload, file, UploadFileState.STORED, size_bytes)


@contextmanager
def _told_as(upload: Upload, file: ManifestFile) -> Iterator[None]:
    """Name the file as its sender knows it, where the store knows the key alone."""
    try:
        yield
    except (DigestMismatchError, OffsetMismatchError) as error:
        raise replace(error, what=_named(upload, file)) from error


def _named(upload: Upload, file: ManifestFile) -> str:
    return f"{show(file.path)} in {upload.name}"


def _too_long(upload: Upload, file: ManifestFile) -> TooLargeError:
    return TooLargeError(
        what=_named(upload, file),
        found="more bytes than announced",
        limit=f"{file.size_bytes} bytes",
        fix="If the file changed, start again with its new size and digest.",
    )


def _ended(upload: Upload) -> TicketError:
    return TicketError(problem=f"{upload.name} has ended", fix="push again (CreateUpload)")


def _stored_event(upload: Upload, file: ManifestFile) -> EventDraft:
    return EventDraft(
        action="upload.store",
        resource=upload.name,
        namespace=upload.namespace,
        actor=f"principals/{upload.creator}",
        detail={"sha256": file.sha256, "size_bytes": file.size_bytes},
    )
