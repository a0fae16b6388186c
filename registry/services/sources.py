"""Where the files of a new tree come from: an upload session, digests that are stored, or both.

`gather` makes one tree of it before the unit of work; `stand_on` is the first thing within, and
judges the source first, so that nothing else is told to somebody who names bytes that are not
theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.access import Caller
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.uploads import Upload, UploadState
from registry.errors import (
    BytesMissingError,
    InvalidStateError,
    NotFoundError,
    UploadIncompleteError,
)
from registry.names import ModelName, UploadName
from registry.ports.blobs import BlobStore
from registry.ports.database import Database, Transaction
from registry.ports.tables import Ground
from registry.services.lookups import no_model
from registry.services.possession import granted, stored


@dataclass(frozen=True, kw_only=True)
class Source:
    upload: UploadName | None = None
    files: tuple[ManifestFile, ...] = ()

    @property
    def sha256s(self) -> set[str]:
        """Of the files that are named by their digests."""
        return {file.sha256 for file in self.files}


def gather(
    database: Database,
    blobs: BlobStore,
    caller: Caller,
    model: ModelName,
    source: Source,
    *,
    now_us: int,
) -> Manifest:
    """All files of a source, checked as one tree. `still_there` says whether the caller may refer
    to them.

    Raises NotFoundError, InvalidStateError or UploadIncompleteError for the session,
    BytesMissingError for digests, and what `Manifest.of` raises for paths.
    """
    named = Manifest.of(source.files)
    here = stored(blobs, named.files)
    if any(file.sha256 not in here for file in named.files):
        # What is not stored and what is not the caller's are not told apart.
        allowed = database.read(lambda tx: granted(tx, caller, model.namespace, here))
        _require_all(named, allowed)
    if source.upload is None:
        return named
    name = source.upload
    upload = database.read(lambda tx: tx.uploads.get(name.upload))
    sent = _usable(upload, name, caller, model, now_us)
    # A session's files were checked as a manifest when they were announced, and come by path.
    files = tuple(entry.file for entry in sent.files)
    return Manifest.of((*named.files, *files)) if named.files else Manifest(files=files)


def still_there(
    tx: Transaction,
    caller: Caller,
    model: ModelName,
    source: Source,
    *,
    all_granted: bool,
    now_us: int,
) -> None:
    """Raise unless the caller may refer, now, to what was gathered.

    It may have been freed since then, as happens to bytes that nothing refers to. `all_granted`:
    all that the source names was sent to the model's namespace, so that nobody need be asked.
    """
    if source.files and not all_granted:
        named = Manifest(files=source.files)
        _require_all(named, granted(tx, caller, model.namespace, source.sha256s))
    if source.upload is not None:
        # Without its files, which do not change once they are complete.
        upload = tx.uploads.find(source.upload.upload, "")
        _usable(upload, source.upload, caller, model, now_us)


def stand_on(
    tx: Transaction,
    caller: Caller,
    model: ModelName,
    branch: str,
    source: Source,
    *,
    tree: str,
    now_us: int,
) -> Ground:
    """Lock the model for a commit of a source's files on a branch, or raise as `still_there`, or
    NotFoundError. `tree` is the digest of the manifest that the commit will have, for all we know.
    """
    ground = tx.commits.ground(model.path, branch, tree=tree, sha256s=source.sha256s)
    still_there(
        tx,
        caller,
        model,
        source,
        all_granted=ground is not None and ground.all_granted,
        now_us=now_us,
    )
    if ground is None:
        raise no_model(model)
    if source.files and not ground.all_granted:
        # What a namespace has in a commit is its own from then on.
        tx.blob_grants.add(model.namespace, source.sha256s)
    return ground


def _usable(
    upload: Upload | None, name: UploadName, caller: Caller, model: ModelName, now_us: int
) -> Upload:
    if upload is None or upload.creator != caller.id or upload.model != model.path:
        # Somebody else's session and one for another model are not told apart from none.
        raise NotFoundError(
            kind=f"upload session of yours for {model}",
            name=str(name),
            fix="A session serves its creator and its model; open one with: hallmark push",
        )
    state = upload.state_at(now_us)
    if state is UploadState.EXPIRED:
        raise InvalidStateError(
            name=upload.name,
            action="be made a version",
            found=state.value.upper(),
            allowed=UploadState.COMPLETE.value.upper(),
            fix="Open a new one with: hallmark push. What is stored already is not sent again.",
        )
    if state is UploadState.RECEIVING:
        lacking = [entry.file for entry in upload.files if not entry.stored]
        raise UploadIncompleteError(upload=upload.name, count=len(lacking), path=lacking[0].path)
    return upload


def _require_all(manifest: Manifest, stored: set[str]) -> None:
    missing = [file for file in manifest.files if file.sha256 not in stored]
    if missing:
        raise BytesMissingError(count=len(missing), path=missing[0].path, sha256=missing[0].sha256)
