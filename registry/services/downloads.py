"""Downloads: signed addresses for the files of a version, and the bytes behind them."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.domain.access import Action, Caller
from registry.domain.events import EventDraft
from registry.domain.manifests import ManifestFile
from registry.domain.scopes import ANY, stages_of
from registry.domain.times import show_time
from registry.domain.versions import Version, require_fetchable
from registry.errors import (
    CorruptBytesError,
    HallmarkError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    PolicyRefusedError,
    TermsNotAcceptedError,
    TicketError,
    TokenExpiredError,
    TokenRevokedError,
    TooLargeError,
    UnauthenticatedError,
)
from registry.names import ModelName, VersionName
from registry.names.rules import check_triton_release
from registry.names.text import show
from registry.ports.blobs import BlobStore, Pieces
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.authentication import Authenticator
from registry.services.facts import VersionFacts
from registry.services.gates import require_fetch
from registry.services.lookups import version_of
from registry.services.recent import Recent
from registry.services.terms import require_terms
from registry.services.tickets import DownloadTicket, TicketSigner

logger = logging.getLogger(__name__)

FILES_MAX = 1000
TICKET_TTL_US = 24 * 3600 * 1_000_000
#: Whoever takes a file slowly is asked again so often whether they still may.
RECHECK_US = 15_000_000
#: Downloads that are known to be counted, so that further ranges need not ask the database.
COUNTED_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Tickets for files, in path order."""

    files: tuple[tuple[ManifestFile, str], ...]
    expire_time_us: int


@dataclass(frozen=True, kw_only=True)
class Downloadable:
    """What an address leads to, just found to be allowed by permission and the version's state."""

    sha256: str
    size_bytes: int
    media_type: str
    filename: str
    #: `models/.../versions/{n}`, and its digest.
    version: str
    digest: str
    version_key: int
    principal: str
    batch: str
    ticket: DownloadTicket


class DownloadService:
    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        signer: TicketSigner,
        authenticator: Authenticator,
        policies: PolicySets,
        facts: VersionFacts,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._signer = signer
        self._authenticator = authenticator
        self._policies = policies
        self._facts = facts
        self._lock = threading.Lock()
        self._counted = Recent(COUNTED_MAX)
        self._uncounted: dict[str, tuple[Downloadable, int]] = {}

    def create(
        self,
        caller: Caller,
        name: VersionName,
        *,
        digest: str,
        paths: Sequence[str],
        triton: str = "",
    ) -> Downloads:
        """Tickets for the paths, or for all files, good for 24 h and no longer than the token.
        `triton` is the release that they are fetched for, or empty."""
        if triton:
            check_triton_release(triton, field="triton")
        stages = _require_fetch(caller, name)
        if len(paths) > FILES_MAX:
            raise _too_many(len(paths))

        def fn(tx: Transaction) -> tuple[Version, Sequence[ManifestFile]]:
            _require_in_stage(tx, caller, name, stages)
            version = version_of(tx, name)
            _check_digest(version, digest)
            require_fetchable(version, by_digest=bool(digest))
            self._require_gates(tx, caller, version, by_digest=bool(digest), triton=triton)
            if not paths and version.file_count > FILES_MAX:
                raise _too_many(version.file_count)
            if not paths:
                return version, tx.manifests.files(version.digest, None, FILES_MAX)
            # No path holds a NUL, and PostgreSQL does not even take one in a question.
            wanted = {path for path in paths if "\0" not in path}
            return version, tx.manifests.find(version.digest, wanted)

        version, files = self._database.snapshot(fn) if stages else self._database.read(fn)
        _check_found(version, paths, files)
        end_us = min(self._clock.now_us() + TICKET_TTL_US, caller.token.expire_time_us)
        batch = secrets.token_hex(16)
        ordered = sorted(files, key=lambda file: file.path)
        tickets = (
            _ticket(
                caller,
                version,
                file,
                batch=batch,
                by_digest=bool(digest),
                triton=triton,
                end_us=end_us,
            )
            for file in ordered
        )
        signed = zip(ordered, map(self._signer.sign, tickets), strict=True)
        return Downloads(files=tuple(signed), expire_time_us=end_us)

    def open(self, ticket: str) -> Downloadable:
        """What the ticket leads to; asked for each request. TicketError where it may not be had.

        Checked anew are signature, time, principal, token, permission, terms, the version's state
        and the gate: time alone may end what it allowed, as may another policy or a group left.
        """
        held = self._signer.read(ticket, DownloadTicket)
        version = self._allowed(held)
        return Downloadable(
            sha256=held.sha256,
            size_bytes=held.size_bytes,
            media_type=held.media_type,
            filename=held.filename,
            version=version.name,
            digest=version.digest,
            version_key=version.key,
            principal=held.principal,
            batch=held.batch,
            ticket=held,
        )

    def _allowed(self, held: DownloadTicket, *, begun: bool = False) -> Version:
        """All that `open` asks. The token of what has `begun` may have expired meanwhile."""
        try:
            caller = self._authenticator.caller_of(held.principal, held.token, begun=begun)
            name = VersionName(model=ModelName(path=held.model), number=held.number)
            stages = _require_fetch(caller, name)

            def find(tx: Transaction) -> Version | None:
                _require_in_stage(tx, caller, name, stages)
                return self._usable(tx, caller, held)

            version = self._database.snapshot(find) if stages else self._database.read(find)
            if version is None:
                raise TicketError(problem=f"{name} was deleted", fix=held.FIX)
            require_fetchable(version, by_digest=held.by_digest)
        except _REFUSALS as error:
            raise TicketError(problem=str(error).rstrip("."), fix=held.FIX) from error
        return version

    def _usable(self, tx: Transaction, caller: Caller, held: DownloadTicket) -> Version | None:
        """The version, if there is one, its model's terms are accepted, and the gate lets it go."""
        version = tx.versions.by_key(held.version_key)
        if version is not None:
            self._require_gates(tx, caller, version, by_digest=held.by_digest, triton=held.triton)
        return version

    def _require_gates(
        self, tx: Transaction, caller: Caller, version: Version, *, by_digest: bool, triton: str
    ) -> None:
        """Raise TermsNotAcceptedError or PolicyRefusedError unless the bytes may leave."""
        now = self._clock.now_us()
        require_terms(tx, caller, version, now)
        policy = self._policies.active(tx)
        require_fetch(
            tx,
            policy,
            self._facts,
            caller,
            version,
            by_digest=by_digest,
            triton=triton,
            now_us=now,
        )

    def read(self, file: Downloadable, start: int = 0, length: int | None = None) -> Pieces:
        """The file's bytes, as `BlobStore.open_range`; counts the download.

        TicketError between two pieces where the file may no longer be had: all that `open` asks is
        asked again every `RECHECK_US`. What has begun in time may end, though the ticket or its
        token has expired meanwhile; but not once anything else was taken away.
        """
        try:
            pieces = self._blobs.open_range(file.sha256, start, length, size_bytes=file.size_bytes)
        except NotFoundError as error:
            # Of a version's bytes that is damage; whoever asks could not have named them otherwise.
            raise CorruptBytesError(sha256=file.sha256, problem="nothing is there") from error
        self.count(file)
        return _Rechecked(pieces, self._clock, lambda: self._allowed(file.ticket, begun=True))

    def count(self, file: Downloadable) -> None:
        """Count one download of the version, once for all files and ranges of one CreateDownloads.

        A database that cannot be written does not keep bytes from anybody: `flush` tries again.
        """
        now = self._clock.now_us()
        with self._lock:
            if file.batch in self._counted:
                return
            self._counted.add(file.batch)
        try:
            self._store(file, now)
        except HallmarkError as error:
            logger.warning("a download of %s is not counted yet: %s", file.version, error)
            with self._lock:
                if len(self._uncounted) < COUNTED_MAX:
                    self._uncounted[file.batch] = (file, now)

    def flush(self) -> None:
        """Count what could not be counted when it happened. To be called every minute or so."""
        for batch, (file, time_us) in list(self._uncounted.items()):
            self._store(file, time_us)
            with self._lock:
                self._uncounted.pop(batch, None)

    def _store(self, file: Downloadable, time_us: int) -> None:
        def fn(tx: Transaction) -> None:
            if tx.versions.by_key(file.version_key) is None:
                return
            if tx.usage.record_download(file.batch, file.version_key, file.principal, time_us):
                # Who pulled what, for good: the counts go with their model. One event for all
                # files and ranges of a CreateDownloads, stored with the count.
                tx.events.append(_fetch(file, time_us))

        self._database.write(fn, namespace=VersionName.parse(file.version).model.namespace)


class _Rechecked:
    """Pieces, as long as `require_still` raises nothing."""

    def __init__(self, pieces: Pieces, clock: Clock, require_still: Callable[[], object]) -> None:
        self._pieces = pieces
        self._clock = clock
        self._require_still = require_still
        self._due_us = clock.now_us() + RECHECK_US

    def __iter__(self) -> _Rechecked:
        return self

    def __next__(self) -> bytes:
        now = self._clock.now_us()
        if now >= self._due_us:
            try:
                self._require_still()
            except BaseException:
                self._pieces.close()
                raise
            self._due_us = now + RECHECK_US
        return next(self._pieces)

    def close(self) -> None:
        self._pieces.close()


_REFUSALS = (
    UnauthenticatedError,
    TokenExpiredError,
    TokenRevokedError,
    PermissionDeniedError,
    TermsNotAcceptedError,
    InvalidStateError,
    PolicyRefusedError,
)


def _require_fetch(caller: Caller, name: VersionName) -> tuple[str, ...]:
    """The stages of which the version has to be in one, for a token that is good for these alone;
    none where it need not. Judges names alone."""
    stages = stages_of(caller.token.scopes, Action.VERSION_FETCH, name.model.path)
    caller.require(
        Action.VERSION_FETCH, name.model.namespace, str(name), stage=stages[0] if stages else ""
    )
    return () if ANY in stages else stages


def _require_in_stage(
    tx: Transaction, caller: Caller, name: VersionName, stages: tuple[str, ...]
) -> None:
    """Before the version is looked for, so that one that is not there is refused in these words."""
    if stages and not any(
        period.stage in stages and period.version_number == name.number
        for period in tx.stages.of_model(name.model.path)
    ):
        raise caller.refusal(Action.VERSION_FETCH, name.model.namespace, str(name))


def _fetch(file: Downloadable, time_us: int) -> EventDraft:
    return EventDraft(
        action="version.fetch",
        resource=file.version,
        namespace=VersionName.parse(file.version).model.namespace,
        actor=f"principals/{file.principal}",
        # The event's own time is later where the database could not be written at once.
        detail={"digest": file.digest, "time": show_time(time_us)},
    )


def _ticket(
    caller: Caller,
    version: Version,
    file: ManifestFile,
    *,
    batch: str,
    by_digest: bool,
    triton: str,
    end_us: int,
) -> DownloadTicket:
    return DownloadTicket(
        principal=caller.id,
        token=caller.token.id,
        model=version.model,
        number=version.number,
        version_key=version.key,
        digest=version.digest,
        by_digest=by_digest,
        triton=triton,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        media_type=file.media_type,
        filename=file.path.rpartition("/")[2],
        batch=batch,
        expire_time_us=end_us,
    )


def _check_digest(version: Version, digest: str) -> None:
    if digest and digest != version.digest:
        raise InvalidFieldError(
            field="digest",
            found=show(digest),
            expected=f"{version.digest}, which {version.name} has",
            fix="Resolve the version again and check which one you mean.",
        )


def _check_found(version: Version, paths: Sequence[str], files: Sequence[ManifestFile]) -> None:
    missing = sorted(set(paths) - {file.path for file in files})
    if missing:
        raise NotFoundError(
            kind="file",
            name=f"{show(missing[0])} in {version.name}",
            fix=f"See which there are: hallmark version files {version.ref}",
        )


def _too_many(count: int) -> TooLargeError:
    return TooLargeError(
        what="paths",
        found=f"{count} files",
        limit=f"{FILES_MAX} files a request",
        fix="Name the files, at most so many in one request.",
    )
