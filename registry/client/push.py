"""Push: files from here become a version there, sending only what the registry lacks.

Scan, hash, open an upload session, send what is missing, create the version. The session's id is
derived from the model and the files, so a push that was cut is taken up by the next one of the same
files, at the byte where it ended, from whichever process.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from registry.client.connection import Connection
from registry.client.errors import ClientError, NotFoundError, checked_locally
from registry.client.models import Models
from registry.client.names import model_name
from registry.client.parallel import Crew
from registry.client.progress import FileStep, Progress
from registry.client.scan import LeftOut, LocalFile, check_unchanged, hash_files, scan
from registry.client.sending import PATIENCE_S, Sender, Target
from registry.client.transfers import UPLOAD_FILES_MAX, Transfers
from registry.client.values import Base, File, Upload, UploadFile, Version, VersionSpec
from registry.client.versions import Versions
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.versions import Card
from registry.formats.card import CARD_BYTES_MAX, CARD_PATH, card_fields, parse_card

FILES_AT_ONCE = 2
_SESSIONS = uuid.UUID("5d0fcd3b-9d5c-5e5a-8a8c-1d1f1c2f6a10")


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """What a push did."""

    #: None only after a dry run that would create one.
    version: Version | None
    #: False where the newest version already is exactly this.
    created: bool
    model_created: bool
    #: "sha256:..." of the files' canonical manifest.
    digest: str
    files: tuple[File, ...]
    left_out: tuple[LeftOut, ...]
    size_bytes: int
    #: Bytes that went over the wire; the rest was stored already.
    sent_bytes: int
    #: Fields that a good card has and this one lacks; `README.md` where there is no card.
    card_missing: tuple[str, ...]


class Pusher:
    """One push. `run` may be called once."""

    def __init__(
        self,
        connection: Connection,
        *,
        progress: Progress,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._models = Models(connection)
        self._versions = Versions(connection)
        self._transfers = Transfers(connection)
        self._connection = connection
        self._progress = progress
        self._patience_s = patience_s
        self._crew = Crew(ca_file=connection.access.ca_file)
        self._lock = threading.Lock()
        self._sent = 0

    def run(
        self,
        sources: Sequence[Path],
        model: str,
        *,
        spec: VersionSpec,
        message: str = "",
        hidden: bool = False,
        always: bool = False,
        create_model: bool = True,
        dry_run: bool = False,
    ) -> PushResult:
        """Bases in `spec` may be any reference. `always`: a new version even of equal content.

        FileChangedError where a file is written to meanwhile; DamagedError where the registry read
        other bytes than were sent; NotFoundError for the model, where it is not to be created.
        """
        name = model_name(model)
        found = scan(sources, hidden=hidden)
        card = _read_card(found.files)
        known = self._known_model(name, create_model)
        spec = self._with_bases(spec)
        try:
            files = hash_files(found.files, crew=self._crew, progress=self._progress)
            manifest = _manifest(files)
            result = PushResult(
                version=self._equal(name, manifest.digest, spec) if known and not always else None,
                created=False,
                model_created=False,
                digest=manifest.digest,
                files=files,
                left_out=found.left_out,
                size_bytes=manifest.size_bytes,
                sent_bytes=0,
                card_missing=card.missing if card else (CARD_PATH,),
            )
            if result.version is not None or dry_run:
                return replace(result, created=result.version is None, model_created=not known)
            if not known:
                self._create_model(name, card)
            upload = self._send(name, files, found.files, manifest.digest)
        finally:
            self._crew.close()
        check_unchanged(found.files)
        version = self._versions.create(name, upload=upload.name, spec=spec, message=message)
        return replace(
            result,
            version=version,
            created=True,
            model_created=not known,
            sent_bytes=self._sent,
        )

    def _known_model(self, name: str, create_model: bool) -> bool:
        try:
            self._models.get(name)
        except NotFoundError:
            if not create_model:
                raise
            return False
        return True

    def _with_bases(self, spec: VersionSpec) -> VersionSpec:
        bases = tuple(
            Base(version=self._versions.name(base.version), kind=base.kind) for base in spec.bases
        )
        return replace(spec, bases=bases)

    def _equal(self, model: str, digest: str, spec: VersionSpec) -> Version | None:
        """The newest version, if it has these files and says the same of them."""
        newest = self._versions.newest(model)
        if newest is None or newest.digest != digest:
            return None
        return newest if _comparable(newest.spec) == _comparable(spec) else None

    def _create_model(self, name: str, card: Card | None) -> None:
        fields = card_fields(card.metadata_json if card else "{}")
        self._models.create(
            name,
            task=fields.task[:100],
            library=fields.library[:100],
            license=fields.license[:100],
            tags=_short(fields.tags),
            languages=_short(fields.languages),
        )

    def _send(
        self, model: str, files: Sequence[File], found: Sequence[LocalFile], digest: str
    ) -> Upload:
        """The complete session. Files of equal bytes are sent once."""
        upload = self._open(model, files, digest)
        sources = {file.sha256: source for file, source in zip(files, found, strict=True)}
        asked: set[str] = set()
        while waiting := _one_each(upload):
            digests = {each.file.sha256 for each in waiting}
            if digests <= asked:
                raise ClientError(
                    f"{upload.name}: all bytes were sent, and the registry still asks for some. "
                    "Run the command again; tell the registry's operator if it persists.",
                    status="INTERNAL",
                    reason="UPLOAD_STUCK",
                )
            asked |= digests
            self._send_all(upload.name, waiting, sources)
            upload = self._transfers.get_upload(upload.name)
        return upload

    def _send_all(
        self, upload: str, waiting: Sequence[UploadFile], sources: Mapping[str, LocalFile]
    ) -> None:
        def send(each: UploadFile) -> None:
            digest = each.file.sha256
            target = Target(
                url=self._connection.address(each.url),
                offset_bytes=each.offset_bytes,
                verifying=each.state == "verifying",
                fresh_url=lambda: self._fresh_url(upload, digest),
            )
            Sender(
                sources[digest],
                target,
                crew=self._crew,
                sent=self._count,
                patience_s=self._patience_s,
            ).run()

        self._progress.begin(
            "send",
            [
                FileStep(
                    path=each.file.path,
                    size_bytes=each.file.size_bytes,
                    done_bytes=each.offset_bytes,
                )
                for each in waiting
            ],
        )
        try:
            self._crew.run(send, waiting, workers=FILES_AT_ONCE)
        finally:
            self._progress.end()

    def _open(self, model: str, files: Sequence[File], digest: str) -> Upload:
        """The session for these files: that of an earlier push where there is one."""
        upload = self._open_batch(model, files[:UPLOAD_FILES_MAX], f"{digest} 0", "")
        for start in range(UPLOAD_FILES_MAX, len(files), UPLOAD_FILES_MAX):
            batch = files[start : start + UPLOAD_FILES_MAX]
            upload = self._open_batch(model, batch, f"{digest} {start}", upload.name)
        return upload

    def _open_batch(self, model: str, files: Sequence[File], key: str, upload: str) -> Upload:
        derived = str(uuid.uuid5(_SESSIONS, f"{model} {key} {upload}"))
        try:
            return self._transfers.create_upload(model, files, request_id=derived, upload=upload)
        except ClientError as error:
            # The id belongs to a session that is gone, or to another way of asking.
            if error.reason not in ("NOT_FOUND", "REQUEST_ID_REUSED"):
                raise
        return self._transfers.create_upload(model, files, upload=upload)

    def _fresh_url(self, upload: str, digest: str) -> str:
        """Empty where the bytes are stored by now."""
        again = self._transfers.get_upload(upload)
        url = next((each.url for each in again.files if each.file.sha256 == digest), "")
        return self._connection.address(url) if url else ""

    def _count(self, path: str, shown: int, sent: int) -> None:
        with self._lock:
            self._sent += sent
        self._progress.advance(path, shown)


def _one_each(upload: Upload) -> list[UploadFile]:
    """What is not stored yet, one file for all of equal bytes; large ones first."""
    waiting = {each.file.sha256: each for each in upload.files if each.state != "stored"}
    return sorted(waiting.values(), key=lambda each: -each.file.size_bytes)


def _read_card(files: Sequence[LocalFile]) -> Card | None:
    source = next((file.source for file in files if file.path == CARD_PATH), None)
    if source is None:
        return None
    with open(source, "rb") as opened:
        data = opened.read(CARD_BYTES_MAX + 1)
    with checked_locally():
        return parse_card(data)


def _manifest(files: Sequence[File]) -> Manifest:
    with checked_locally():
        return Manifest.of(
            ManifestFile(
                path=file.path,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                media_type=file.media_type,
            )
            for file in files
        )


def _comparable(spec: VersionSpec) -> VersionSpec:
    """The spec with its bases in one order, as the registry may keep them in another."""
    bases = sorted(spec.bases, key=lambda base: (base.version, base.kind))
    return replace(spec, bases=tuple(bases))


def _short(words: Sequence[str]) -> tuple[str, ...]:
    """As many of a card's words as a model may have."""
    return tuple(word for word in words if len(word) <= 100)[:100]
