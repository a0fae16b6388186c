"""Upload sessions: what is to come, opened, continued, ended; `reception` takes the bytes in."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.domain.access import Action, Caller
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.pages import PAGE_BYTES_MAX, weight
from registry.domain.scopes import covered
from registry.domain.uploads import (
    Upload,
    UploadFile,
    UploadFileState,
    UploadState,
    staging_key,
)
from registry.errors import (
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    QuotaError,
    TooLargeError,
)
from registry.names import ModelName, UploadName
from registry.names.text import show
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.authentication import Authenticator
from registry.services.lookups import model_of
from registry.services.possession import EMPTY_SHA256, granted, stored_for
from registry.services.reception import FileStatus, Reception
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once, repeat_of
from registry.services.tickets import TicketSigner, UploadTicket

FILES_A_REQUEST_MAX = 25_000
AWAITING_MAX = 100
#: Where the operator says nothing: bytes that one principal may have announced and not sent.
AWAITED_BYTES_MAX = 10_000_000_000_000
#: A session that has more files shows only those that are still to come, so many at a time.
SHOWN_MAX = 2000
#: Staged bytes that nobody added to for so long belong to no session: none lives so long.
ORPHAN_US = 8 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class UploadProgress:
    """How far a file is, and the ticket by which its bytes come; empty where none may."""

    file: ManifestFile
    state: UploadFileState
    offset_bytes: int
    ticket: str


@dataclass(frozen=True, kw_only=True)
class UploadView:
    """A session as its creator sees it, with fresh tickets."""

    upload: Upload
    state: UploadState
    files: tuple[UploadProgress, ...]


class UploadService:
    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        signer: TicketSigner,
        authenticator: Authenticator,
        awaited_bytes_max: int = AWAITED_BYTES_MAX,
    ) -> None:
        """`awaited_bytes_max` 0: any number."""
        self._awaited_bytes_max = awaited_bytes_max
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._signer = signer
        self._reception = Reception(
            database=database,
            blobs=blobs,
            clock=clock,
            signer=signer,
            authenticator=authenticator,
        )

    def create(
        self,
        caller: Caller,
        model: ModelName,
        files: Sequence[ManifestFile],
        *,
        upload: UploadName | None,
        request_id: str,
    ) -> UploadView:
        """Open a session, or with `upload` add files to an open one."""
        caller.require(Action.VERSION_CREATE, model.namespace, str(model))
        if len(files) > FILES_A_REQUEST_MAX:
            raise TooLargeError(
                what="files",
                found=f"{len(files)} files",
                limit=f"{FILES_A_REQUEST_MAX} a request",
                fix="Open the session with the first ones, then add the rest to it.",
            )
        manifest = Manifest.of(files)
        _check_bytes(manifest.files)
        content = content_of(model.path, str(upload or ""), manifest.digest)
        here = stored_for(self._database, self._blobs, caller, model.namespace, manifest.files)
        lacking = {file.sha256 for file in manifest.files} - here

        def fn(tx: Transaction) -> Upload:
            now = self._clock.now_us()
            model_of(tx, model)
            given = _marked(manifest.files, granted(tx, caller, model.namespace, here))
            self._free_ended(tx, caller, request_id, content, lacking, now)

            def create() -> tuple[str, Upload]:
                if upload is None:
                    opened = self._open(tx, caller, model, given, now)
                else:
                    opened = self._add(tx, caller, model, upload, given, now)
                return opened.id, opened

            return once(
                tx,
                caller,
                "CreateUpload",
                request_id,
                content,
                now_us=now,
                create=create,
                reload=lambda id: _own(tx, caller, id),
            )

        return self._view(caller, self._database.write(fn, namespace=model.namespace))

    def get(self, caller: Caller, name: UploadName) -> UploadView:
        found = self._database.read(lambda tx: _own(tx, caller, name.upload))
        return self._view(caller, found)

    def delete(self, caller: Caller, name: UploadName) -> None:
        def fn(tx: Transaction) -> Upload:
            found = _own(tx, caller, name.upload, lock=True)
            if found.state_at(self._clock.now_us()) is not UploadState.EXPIRED:
                tx.uploads.end(found.key)
                tx.events.append(_event(caller.principal.name, "upload.delete", found, {}))
            return found

        self._discard(self._database.write(fn))

    def append(
        self, ticket: str, offset: int, pieces: Iterable[bytes], *, length: int | None = None
    ) -> FileStatus:
        """Take bytes in, and with the last one verify and store the file. See `Reception`."""
        return self._reception.append(ticket, offset, pieces, length=length)

    def state(self, ticket: str) -> FileStatus:
        """How far the file behind an address is. See `Reception`."""
        return self._reception.state(ticket)

    def expire_overdue(self) -> int:
        """End sessions whose time ran out, throw away what they left; how many were ended.

        To be called every few minutes. Also takes what a crash left behind in the staging area.
        """
        count = 0
        # One at a time, since each may have very many files.
        while overdue := self._database.read(
            lambda tx: tx.uploads.overdue(self._clock.now_us(), 1)
        ):
            count += self._expire(overdue[0])
        before_us = self._clock.now_us() - ORPHAN_US
        for staged in self._blobs.list_staged():
            if staged.update_time_us < before_us:
                self._blobs.discard(staged.key)
        return count

    def _open(
        self,
        tx: Transaction,
        caller: Caller,
        model: ModelName,
        files: tuple[UploadFile, ...],
        now_us: int,
    ) -> Upload:
        _check_sessions(tx, caller, files, now_us)
        self._check_bytes_awaited(tx, caller, files, now_us)
        fresh = Upload(
            key=0,
            id=uuid.uuid4().hex,
            model=model.path,
            namespace=model.namespace,
            creator=caller.id,
            token=caller.token.id,
            files=files,
            digest=_digest(files),
            create_time_us=now_us,
            expire_time_us=now_us,
            ended=False,
        )
        opened = tx.uploads.insert(
            dataclasses.replace(fresh, expire_time_us=fresh.end_after(now_us))
        )
        detail = {"model": model.path, "files": len(files), "digest": opened.digest}
        tx.events.append(_event(caller.principal.name, "upload.create", opened, detail))
        return opened

    def _add(
        self,
        tx: Transaction,
        caller: Caller,
        model: ModelName,
        name: UploadName,
        files: tuple[UploadFile, ...],
        now_us: int,
    ) -> Upload:
        found = _own(tx, caller, name.upload, lock=True)
        if found.state_at(now_us) is UploadState.EXPIRED:
            raise InvalidStateError(
                name=found.name,
                action="take files",
                found="EXPIRED",
                allowed="RECEIVING, COMPLETE",
                fix="Open a new session.",
            )
        if found.model != model.path:
            raise InvalidFieldError(
                field="upload",
                found=f"{found.name}, which is for models/{found.model}",
                expected=f"an upload session for {model}",
                fix="Open a session for this model.",
            )
        new = _new_files(found, files)
        if not new:
            return found
        if all(file.stored for file in found.files):
            _check_sessions(tx, caller, new, now_us)
        self._check_bytes_awaited(tx, caller, new, now_us)
        joined = (*found.files, *new)
        _check_bytes([file.file for file in joined])
        digest = _digest(joined)
        tx.uploads.add_files(found.key, new, digest)
        tx.uploads.extend(found.key, max(found.expire_time_us, found.end_after(now_us)))
        detail = {"files": len(new), "digest": digest}
        tx.events.append(_event(caller.principal.name, "upload.add", found, detail))
        return _own(tx, caller, found.id)

    def _check_bytes_awaited(
        self, tx: Transaction, caller: Caller, files: Iterable[UploadFile], now_us: int
    ) -> None:
        """Refuse to await more bytes of one principal than it may announce."""
        limit = self._awaited_bytes_max
        new = {file.file.sha256: file.file.size_bytes for file in files if not file.stored}
        if not limit or not new:
            return
        found = tx.uploads.awaited_bytes(caller.id, now_us) + sum(new.values())
        if found > limit:
            raise QuotaError(
                what=f"Bytes that {caller.principal.name} announced and did not send",
                found=found,
                limit=limit,
                fix="Send what other sessions wait for, or delete one of them, then retry.",
            )

    def _free_ended(
        self,
        tx: Transaction,
        caller: Caller,
        request_id: str,
        content: str,
        lacking: set[str],
        now_us: int,
    ) -> None:
        """A push that comes again after its session ended finds the id free for a new one.

        Likewise where the store lost what the session holds: sending it again is what mends that.
        """
        earlier = repeat_of(tx, caller, "CreateUpload", request_id, content)
        if earlier is None:
            return
        found = tx.uploads.get(earlier)
        if (
            found is None
            or found.state_at(now_us) is UploadState.EXPIRED
            or any(file.stored and file.file.sha256 in lacking for file in found.files)
        ):
            tx.requests.forget(caller.id, "CreateUpload", request_id)

    def _view(self, caller: Caller, upload: Upload) -> UploadView:
        state = upload.state_at(self._clock.now_us())
        ordered = sorted(upload.files, key=lambda file: file.file.path)
        if len(ordered) > SHOWN_MAX:
            ordered = [file for file in ordered if not file.stored][:SHOWN_MAX]
        shown: list[UploadProgress] = []
        bytes_left = PAGE_BYTES_MAX
        for file in ordered:
            progress = self._progress(caller, upload, file, state)
            bytes_left -= weight(progress) + weight(progress.file)
            if bytes_left < 0 and shown:
                break
            shown.append(progress)
        return UploadView(upload=upload, state=state, files=tuple(shown))

    def _progress(
        self, caller: Caller, upload: Upload, file: UploadFile, state: UploadState
    ) -> UploadProgress:
        if file.stored or state is UploadState.EXPIRED:
            return UploadProgress(
                file=file.file,
                state=UploadFileState.STORED if file.stored else UploadFileState.RECEIVING,
                offset_bytes=file.file.size_bytes if file.stored else 0,
                ticket="",
            )
        status = self._reception.status_of(upload, file)
        ticket = UploadTicket(
            principal=caller.id,
            token=caller.token.id,
            upload=upload.id,
            sha256=file.file.sha256,
            expire_time_us=min(upload.end_at_latest_us, caller.token.expire_time_us),
        )
        return UploadProgress(
            file=file.file,
            state=status.state,
            offset_bytes=status.offset_bytes,
            ticket=self._signer.sign(ticket),
        )

    def _expire(self, upload: Upload) -> bool:
        def fn(tx: Transaction) -> bool:
            found = tx.uploads.find(upload.id, "")
            # Bytes may have come in the last moment, or another server been quicker.
            if found is None or found.ended or self._clock.now_us() < found.expire_time_us:
                return False
            tx.uploads.end(found.key)
            tx.events.append(_event(SYSTEM, "upload.expire", found, {}))
            return True

        ended = self._database.write(fn, namespace=upload.namespace)
        if ended:
            self._discard(upload)
        return ended

    def _discard(self, upload: Upload) -> None:
        for sha256 in {file.file.sha256 for file in upload.files if not file.stored}:
            self._blobs.discard(staging_key(upload.id, sha256))


def _own(tx: Transaction, caller: Caller, id: str, *, lock: bool = False) -> Upload:
    """The caller's session; those of others are as if they were not."""
    found = tx.uploads.lock(id) if lock else tx.uploads.get(id)
    if (
        found is None
        or found.creator != caller.id
        or not covered(caller.token.scopes, Action.VERSION_CREATE, found.model, "")
    ):
        raise NotFoundError(
            kind="upload session",
            name=f"uploads/{id}",
            fix="Open a new one: hallmark push does.",
        )
    return found


def _check_sessions(
    tx: Transaction, caller: Caller, files: Iterable[UploadFile], now_us: int
) -> None:
    """Refuse one more session that waits for bytes. Complete ones hold none back, so who pushes
    often may have any number of them."""
    if all(file.stored for file in files):
        return
    found = tx.uploads.awaiting_count(caller.id, now_us)
    if found >= AWAITING_MAX:
        raise QuotaError(
            what=f"Upload sessions of {caller.principal.name} that wait for bytes",
            found=found,
            limit=AWAITING_MAX,
            fix="Finish or delete one of them; each ends by itself 24 h after its last byte.",
        )


def _marked(files: Iterable[ManifestFile], stored: set[str]) -> tuple[UploadFile, ...]:
    return tuple(UploadFile(file=file, stored=file.sha256 in stored) for file in files)


def _digest(files: Iterable[UploadFile]) -> str:
    return Manifest.of(file.file for file in files).digest


def _new_files(upload: Upload, files: Iterable[UploadFile]) -> tuple[UploadFile, ...]:
    """Those that the session has not; a path that it has with other bytes is refused."""
    held = {file.file.path: file.file for file in upload.files}
    stored = {file.file.sha256 for file in upload.files if file.stored}
    new = []
    for file in files:
        path = file.file.path
        if path not in held:
            new.append(dataclasses.replace(file, stored=file.stored or file.file.sha256 in stored))
        elif held[path] != file.file:
            raise InvalidFieldError(
                field="files",
                found=f"{show(path)} with other bytes than in {upload.name}",
                expected="paths that the session has not, or as it has them",
                fix="Open a new session for the changed files.",
            )
    return tuple(new)


def _check_bytes(files: Iterable[ManifestFile]) -> None:
    """Refuse sizes and digests of which one must be wrong, since their bytes could never come."""
    sizes: dict[str, int] = {EMPTY_SHA256: 0}
    for file in files:
        size_bytes = sizes.setdefault(file.sha256, file.size_bytes)
        if size_bytes != file.size_bytes or (size_bytes == 0 and file.sha256 != EMPTY_SHA256):
            raise InvalidFieldError(
                field="files",
                found=f"{show(file.path)} with {file.size_bytes} bytes and sha256 {file.sha256}",
                expected="one size for one sha256, and 0 bytes only for that of no bytes"
                if size_bytes == 0
                else f"{size_bytes} bytes, as for another file of that sha256",
                fix="Measure and hash the file again.",
            )


def _event(actor: str, action: str, upload: Upload, detail: Mapping[str, object]) -> EventDraft:
    return EventDraft(
        action=action,
        resource=upload.name,
        namespace=upload.namespace,
        actor=actor,
        detail=detail,
    )
