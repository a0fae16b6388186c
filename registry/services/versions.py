"""Versions: make, cut, read."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence

from registry.domain.access import Action, Caller
from registry.domain.commits import MAIN, Commit
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.versions import Card, Version, VersionSpec, VersionState
from registry.errors import InvalidFieldError, TooLargeError
from registry.names import CommitName, ModelName, VersionName
from registry.names.text import invalid, show
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.commits import (
    MESSAGE_LENGTH_MAX,
    add_commit,
    check_revision,
    commit_at,
    head_of,
)
from registry.services.cutting import CARD_PATH, Cards, cut_version, undecided_before
from registry.services.fields import check_text
from registry.services.grace import with_grace
from registry.services.lookups import model_of, version_of, whole_manifest
from registry.services.registration import Candidate, RegisterGate
from registry.services.remembered import Remembered
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once, repeat_of
from registry.services.sources import Source, gather, stand_on
from registry.services.specs import (
    check_bases,
    check_metadata_size,
    check_spec,
    metadata_bytes,
    shown_to,
)

FILES_PAGE_MAX = 10_000
MANIFEST_BYTES_MAX = 3_000_000
#: What a file takes in a canonical manifest at the very least.
_FILE_BYTES_MIN = 120
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_ORDERS = {"": False, "number desc": False, "number": True}


class VersionService:
    """`read_card` parses README.md; `on_quarantined` is called when there is something to vet."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        read_card: Callable[[bytes], Card],
        on_quarantined: Callable[[], None],
        policies: PolicySets,
        gate: RegisterGate,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._cards = Cards(blobs=blobs, read_card=read_card)
        self._on_quarantined = on_quarantined
        self._policies = policies
        self._gate = gate
        self._read: Remembered[tuple[str, int], Version] = Remembered(
            database, size_bytes=metadata_bytes
        )

    def create(
        self,
        caller: Caller,
        model: ModelName,
        *,
        source: Source,
        spec: VersionSpec,
        message: str,
        request_id: str,
    ) -> Version:
        """A version of a source's files, on top of branch main."""
        caller.require(Action.VERSION_CREATE, model.namespace, str(model))
        bases = check_bases(caller, spec.bases)
        spec = check_spec(spec)
        check_text("message", message, MESSAGE_LENGTH_MAX)
        content = content_of(model.path, source, spec, message) if request_id else ""
        earlier = self._earlier(caller, "CreateVersion", request_id, content)
        if earlier is not None:
            return shown_to(caller, earlier)
        tree = gather(
            self._database, self._blobs, caller, model, source, now_us=self._clock.now_us()
        )
        _require_files(len(tree.files), "files")
        card = self._cards.of(tree.files)
        check_metadata_size(spec, card)
        # Made here, since others wait while a unit of work is done.
        digest, uid = tree.digest, str(uuid.uuid4())
        candidate = Candidate(
            model=model,
            digest=digest,
            spec=spec,
            card=card,
            file_count=len(tree.files),
            size_bytes=tree.size_bytes,
            facts=self._gate.facts.note(digest, tree.files),
        )
        question = self._gate.ask(caller, candidate, bases)

        def create(tx: Transaction, now: int) -> Version:
            ground = stand_on(tx, caller, model, MAIN, source, tree=digest, now_us=now)
            self._gate.require(tx, question, active=ground.policy_digest)
            commit = add_commit(
                tx,
                caller,
                ground.model,
                branch=MAIN,
                head=head_of(ground.model, MAIN, ground.taken_by),
                tree=tree,
                is_stored=ground.has_tree,
                message=message or "Create version",
                now_us=now,
            )
            return cut_version(
                tx,
                caller,
                ground.model,
                commit,
                uid=uid,
                spec=spec,
                bases=bases,
                card=card,
                brought=ground.undecided,
                now_us=now,
            )

        return self._make(
            caller, "CreateVersion", request_id, content, create, namespace=model.namespace
        )

    def cut(
        self,
        caller: Caller,
        model: ModelName,
        *,
        revision: str,
        spec: VersionSpec,
        request_id: str,
    ) -> Version:
        """A version of a commit, or of a branch's head as it is when the call begins."""
        caller.require(Action.VERSION_CREATE, model.namespace, str(model))
        bases = check_bases(caller, spec.bases)
        spec = check_spec(spec)
        check_revision(revision)
        content = content_of(model.path, revision, spec) if request_id else ""
        earlier = self._earlier(caller, "CutVersion", request_id, content)
        if earlier is not None:
            return shown_to(caller, earlier)
        commit, card_files = self._database.snapshot(lambda tx: _committed(tx, model, revision))
        _require_files(commit.file_count, "revision")
        card = self._cards.of(card_files)
        check_metadata_size(spec, card)
        uid = str(uuid.uuid4())
        candidate = Candidate(
            model=model,
            digest=commit.tree,
            spec=spec,
            card=card,
            file_count=commit.file_count,
            size_bytes=commit.size_bytes,
            facts=self._database.read(lambda tx: self._gate.facts.of_files(tx, commit.tree)),
        )
        question = self._gate.ask(caller, candidate, bases)

        def create(tx: Transaction, now: int) -> Version:
            stored = model_of(tx, model, lock=True)
            # A model that was deleted and made anew meanwhile does not have it.
            here = commit_at(tx, stored, commit.id)
            self._gate.require(tx, question)
            return cut_version(
                tx,
                caller,
                stored,
                here,
                uid=uid,
                spec=spec,
                bases=bases,
                card=card,
                brought=undecided_before(tx, here),
                now_us=now,
            )

        return self._make(
            caller, "CutVersion", request_id, content, create, namespace=model.namespace
        )

    def get(self, caller: Caller, name: VersionName) -> Version:
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        found = self._read.get(
            (name.model.path, name.number),
            lambda: self._database.read(lambda tx: self._with_grace(tx, [version_of(tx, name)])[0]),
        )
        return shown_to(caller, found)

    def list(
        self,
        caller: Caller,
        model: ModelName,
        *,
        state: VersionState | None,
        digest: str,
        order_by: str,
        page: PageRequest,
    ) -> Page[Version]:
        """By number, newest first; oldest first with `order_by` "number"."""
        caller.require(Action.VERSION_READ, model.namespace, str(model))
        oldest_first = _ORDERS.get(order_by)
        if oldest_first is None:
            raise InvalidFieldError(
                field="order_by",
                found=show(order_by),
                expected="number or number desc",
                fix="Leave it out for newest first.",
            )
        digest = _checked_digest(digest) if digest else ""
        of = fingerprint("versions", model.path, state, digest, oldest_first)
        after = decode_token(page.token, of, int)
        limit = page.limit()

        def fn(tx: Transaction) -> Page[Version]:
            found = tx.versions.list(
                model.path,
                state=state,
                digest=digest,
                oldest_first=oldest_first,
                after=after,
                limit=limit + 1,
            )
            if not found:
                model_of(tx, model)
            shown = [shown_to(caller, version) for version in self._with_grace(tx, found)]
            return page_of(shown, limit, lambda version: (version.number,), of)

        return self._database.snapshot(fn)

    def files(
        self, caller: Caller, name: VersionName | CommitName, page: PageRequest
    ) -> Page[ManifestFile]:
        """By path in byte order. A commit's are for those who may write there."""
        is_version = isinstance(name, VersionName)
        action = Action.VERSION_READ if is_version else Action.VERSION_CREATE
        caller.require(action, name.model.namespace, str(name))
        of = fingerprint("files", str(name))
        after = decode_token(page.token, of, str)
        limit = page.limit(FILES_PAGE_MAX)

        def fn(tx: Transaction) -> Page[ManifestFile]:
            digest = _digest_of(tx, name)
            found = tx.manifests.files(digest, after, limit + 1)
            return page_of(found, limit, lambda file: (file.path,), of)

        return self._database.read(fn)

    def manifest(self, caller: Caller, name: VersionName) -> Manifest:
        """The manifest, if its canonical JSON has at most 3 MB; else TooLargeError."""
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))

        def fn(tx: Transaction) -> Manifest:
            version = version_of(tx, name)
            least_bytes = version.file_count * _FILE_BYTES_MIN
            if least_bytes > MANIFEST_BYTES_MAX:
                raise _too_large(name, f"at least {least_bytes} bytes ({version.file_count} files)")
            return whole_manifest(tx, version)

        manifest = self._database.read(fn)
        size_bytes = len(manifest.canonical_json)
        if size_bytes > MANIFEST_BYTES_MAX:
            raise _too_large(name, f"{size_bytes} bytes")
        return manifest

    def _with_grace(self, tx: Transaction, versions: Sequence[Version]) -> Sequence[Version]:
        return with_grace(tx, self._policies, versions)

    def _earlier(
        self, caller: Caller, method: str, request_id: str, content: str
    ) -> Version | None:
        """What an earlier request with this id made, before anything that may be gone is looked
        at."""

        def fn(tx: Transaction) -> Version | None:
            name = repeat_of(tx, caller, method, request_id, content)
            return None if name is None else version_of(tx, VersionName.parse(name))

        return self._database.read(fn) if request_id else None

    def _make(
        self,
        caller: Caller,
        method: str,
        request_id: str,
        content: str,
        create: Callable[[Transaction, int], Version],
        *,
        namespace: str,
    ) -> Version:
        def fn(tx: Transaction) -> Version:
            now = self._clock.now_us()

            def named() -> tuple[str, Version]:
                version = create(tx, now)
                return version.name, version

            return once(
                tx,
                caller,
                method,
                request_id,
                content,
                now_us=now,
                create=named,
                reload=lambda name: version_of(tx, VersionName.parse(name)),
            )

        version = self._database.write(fn, namespace=namespace)
        self._on_quarantined()
        return shown_to(caller, version)


def _checked_digest(text: str) -> str:
    """The digest as versions have it; the bare sha256 is taken too."""
    found = _DIGEST.fullmatch(text)
    if found is None:
        raise invalid(
            "digest",
            f"{len(text)} characters, {show(text)}",
            "sha256:<64 hex digits in lower case>",
            "Give the digest as a version shows it.",
        )
    return f"sha256:{found[1]}"


def _committed(
    tx: Transaction, name: ModelName, revision: str
) -> tuple[Commit, Sequence[ManifestFile]]:
    """What a revision leads to, and its card's file if it has one."""
    commit = commit_at(tx, model_of(tx, name), revision)
    return commit, tx.manifests.find(commit.tree, {CARD_PATH})


def _digest_of(tx: Transaction, name: VersionName | CommitName) -> str:
    if isinstance(name, VersionName):
        return version_of(tx, name).digest
    return commit_at(tx, model_of(tx, name.model), name.commit).tree


def _require_files(count: int, field: str) -> None:
    if count == 0:
        raise InvalidFieldError(
            field=field,
            found="no files",
            expected="at least one",
            fix="Add the model's files.",
        )


def _too_large(name: VersionName, found: str) -> TooLargeError:
    return TooLargeError(
        what="name",
        found=f"{name} with a manifest of {found}",
        limit=f"{MANIFEST_BYTES_MAX} bytes",
        fix="Ask for its files page by page instead (ListFiles).",
    )
