"""Commits: add to a branch, look up, list."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.domain.access import Action, Caller
from registry.domain.commits import MAIN, Commit, commit_id
from registry.domain.manifests import Manifest
from registry.domain.models import Model
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.references import Reference, ReferenceKind
from registry.errors import (
    AlreadyExistsError,
    AmbiguousReferenceError,
    InvalidFieldError,
    NotFoundError,
    TargetMovedError,
)
from registry.names import ModelName, check_ref_name
from registry.names.rules import check_commit
from registry.names.text import invalid, show
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import Policy
from registry.services.fields import check_text
from registry.services.lookups import event, model_of
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once, repeat_of
from registry.services.sources import Source, gather, stand_on, still_there

MESSAGE_LENGTH_MAX = 10_000

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
#: What a caller must mean as a commit id, since no branch may be named so.
_HEX = re.compile(r"[0-9A-Fa-f]{7,}")
_PREFIX = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a commit does to the tree of the branch's head."""

    source: Source
    deleted_paths: tuple[str, ...]
    replace_tree: bool


class CommitService:
    def __init__(
        self, *, database: Database, blobs: BlobStore, clock: Clock, policy: Policy
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._stages = (*policy.exclusive_stages, *policy.label_stages)

    def create(
        self,
        caller: Caller,
        model: ModelName,
        *,
        branch: str,
        expected_head: str,
        change: Change,
        message: str,
        request_id: str,
    ) -> Commit:
        caller.require(Action.VERSION_CREATE, model.namespace, str(model))
        branch = check_ref_name(branch or MAIN, stages=self._stages, field="branch")
        check_not_main(ReferenceKind.BRANCH, branch, field="branch")
        if expected_head:
            check_commit(expected_head, field="expected_head")
        check_text("message", message, MESSAGE_LENGTH_MAX, required=True)
        content = content_of(model.path, branch, expected_head, change, message)
        earlier = self._database.read(
            lambda tx: repeat_of(tx, caller, "CreateCommit", request_id, content)
        )
        if earlier is not None:
            return self._database.read(lambda tx: _whole(tx, model, earlier))
        added = gather(
            self._database, self._blobs, caller, model, change.source, now_us=self._clock.now_us()
        )
        tree_on = _trees(change, added)

        def look(tx: Transaction) -> str:
            now = self._clock.now_us()
            still_there(tx, caller, model, change.source, all_granted=False, now_us=now)
            # Outside the unit of work, since it can be large; within, it is made anew where the
            # branch has moved meanwhile.
            return _tree_now(tx, model, branch, tree_on).digest

        expected_tree = self._database.read(look)

        def fn(tx: Transaction) -> Commit:
            now = self._clock.now_us()

            def create() -> tuple[str, Commit]:
                ground = stand_on(
                    tx, caller, model, branch, change.source, tree=expected_tree, now_us=now
                )
                stored = ground.model
                head = head_of(stored, branch, ground.taken_by)
                if expected_head and head != expected_head:
                    raise TargetMovedError(
                        name=f"Branch {branch} of {model}",
                        found=head or "nothing",
                        expected=expected_head,
                    )
                tree = tree_on(tx, stored, head)
                commit = add_commit(
                    tx,
                    caller,
                    stored,
                    branch=branch,
                    head=head,
                    tree=tree,
                    is_stored=ground.has_tree and tree.digest == expected_tree,
                    message=message,
                    now_us=now,
                )
                detail: dict[str, object] = {"branch": branch, "tree": commit.tree}
                tx.events.append(
                    event(caller, "commit.create", commit.name, stored.namespace, detail)
                )
                return commit.id, commit

            return once(
                tx,
                caller,
                "CreateCommit",
                request_id,
                content,
                now_us=now,
                create=create,
                reload=lambda id: _whole(tx, model, id),
            )

        return self._database.write(fn, namespace=model.namespace)

    def get(self, caller: Caller, model: ModelName, id: str) -> Commit:
        """By its id or a unique beginning of it, 7 hex digits or more."""
        caller.require(Action.VERSION_READ, model.namespace, f"{model}/commits/{id}")
        if not _PREFIX.fullmatch(id):
            raise invalid(
                "name",
                show(id),
                "a commit id, or 7 or more of its first hex digits in lower case",
                "Give more of the commit id.",
            )
        return self._database.read(lambda tx: _by_prefix(tx, model, id))

    def list(
        self, caller: Caller, model: ModelName, revision: str, page: PageRequest
    ) -> Page[Commit]:
        """Along first parents, newest first, from a branch's head or a commit."""
        caller.require(Action.VERSION_READ, model.namespace, str(model))
        start = revision or MAIN
        check_revision(start)
        of = fingerprint("commits", model.path, start)
        after = decode_token(page.token, of, str)
        limit = page.limit()

        def fn(tx: Transaction) -> Sequence[Commit]:
            stored = model_of(tx, model)
            if after is not None:
                return tx.commits.history(stored.key, str(after[0]), limit + 2)[1:]
            return tx.commits.history(stored.key, commit_at(tx, stored, start).id, limit + 1)

        found = self._database.snapshot(fn)
        return page_of(found, limit, lambda commit: (commit.id,), of)


def is_commit_id(text: str) -> bool:
    """Whether it is a whole commit id, and so no name."""
    return _COMMIT_ID.fullmatch(text) is not None


def check_revision(revision: str) -> None:
    """Raise InvalidFieldError unless it has the form of a branch's name or a whole commit id."""
    if is_commit_id(revision):
        return
    if _HEX.fullmatch(revision):
        raise invalid(
            "revision",
            f"{len(revision)} characters, {show(revision)}",
            "a branch's name or a whole commit id, 40 hex digits in lower case",
            "Give all 40 digits of the commit id.",
        )
    check_ref_name(revision, stages=(), field="revision")


def head_of(model: Model, branch: str, found: Reference | None) -> str:
    """The id of a branch's head, empty where there is no such branch. `found` is what the
    branch's name means.

    Raises AlreadyExistsError where that is something else.
    """
    if found is None:
        return ""
    if found.kind is not ReferenceKind.BRANCH or found.id != branch:
        raise AlreadyExistsError(
            kind="branch",
            name=f"{branch} of {model.name}",
            existing=f"{found.kind.value} {found.id}",
            fix="Choose another name for the branch.",
        )
    return found.target.rpartition("/")[2]


def commit_at(tx: Transaction, model: Model, revision: str) -> Commit:
    """What a branch's name or a whole commit id leads to; NotFoundError where there is neither."""
    if is_commit_id(revision):
        id = revision
    else:
        found = tx.references.get(model.path, revision)
        is_branch = found is not None and found.kind is ReferenceKind.BRANCH
        id = found.target.rpartition("/")[2] if found and is_branch and found.id == revision else ""
    commit = tx.commits.get(model.key, id) if id else None
    if commit is None:
        raise NotFoundError(
            kind="commit or branch",
            name=f"{show(revision)} in {model.name}",
            fix=f"See which branches there are: hallmark ref list {model.path}",
        )
    return commit


def add_commit(
    tx: Transaction,
    caller: Caller,
    model: Model,
    *,
    branch: str,
    head: str,
    tree: Manifest,
    is_stored: bool,
    message: str,
    now_us: int,
) -> Commit:
    """Store a tree, unless that is done already, as a commit on top of `head`, and move the branch
    to it. The model is locked."""
    parents = (head,) if head else ()
    if not is_stored:
        tx.manifests.save(tree)
    commit = Commit(
        model_key=model.key,
        model=model.path,
        id=commit_id(
            tree=tree.digest,
            parents=parents,
            author=caller.principal.name,
            create_time_us=now_us,
            message=message,
        ),
        tree=tree.digest,
        parents=parents,
        author=caller.id,
        create_time_us=now_us,
        message=message,
        file_count=len(tree.files),
        size_bytes=tree.size_bytes,
    )
    tx.commits.insert(commit)
    branch_now = Reference(
        model=model.path,
        id=branch,
        kind=ReferenceKind.BRANCH,
        target=commit.name,
        digest="",
        update_time_us=now_us,
        updater=caller.id,
    )
    tx.references.put(model.key, branch_now, version_key=None, commit_id=commit.id)
    return commit


_TreeOn = Callable[[Transaction, Model, str], Manifest]


def _trees(change: Change, added: Manifest) -> _TreeOn:
    """The change's tree by the head that it is made on; each is made once."""
    made: dict[str, Manifest] = {}

    def tree_on(tx: Transaction, model: Model, head: str) -> Manifest:
        if head not in made:
            made[head] = _changed(_tree_of(tx, model, head), change, added)
        return made[head]

    return tree_on


def _tree_now(tx: Transaction, model: ModelName, branch: str, tree_on: _TreeOn) -> Manifest:
    stored = model_of(tx, model)
    return tree_on(tx, stored, head_of(stored, branch, tx.references.get(stored.path, branch)))


def _tree_of(tx: Transaction, model: Model, head: str) -> Manifest:
    commit = tx.commits.get(model.key, head) if head else None
    tree = tx.manifests.get(commit.tree) if commit else None
    return tree or Manifest(files=())


def _changed(tree: Manifest, change: Change, added: Manifest) -> Manifest:
    files = {file.path: file for file in tree.files}
    new = {file.path: file for file in added.files}
    for number, path in enumerate(change.deleted_paths):
        field = f"deleted_paths[{number}]"
        if path in new:
            raise invalid(
                field, f"{show(path)}, which is added too", "a path to remove", "Drop one of them."
            )
        if path not in files:
            raise invalid(
                field,
                f"{show(path)}, which the branch's head does not have",
                "paths of the branch's head, each once",
                "Drop it, or look at the head's files.",
            )
        del files[path]
    if not files or change.replace_tree:
        return added
    return Manifest.of((files | new).values())


def _by_prefix(tx: Transaction, model: ModelName, id: str) -> Commit:
    stored = model_of(tx, model)
    if is_commit_id(id):
        return _whole(tx, model, id)
    found = tx.commits.by_prefix(stored.key, id)
    if len(found) > 1:
        raise AmbiguousReferenceError(
            reference=id, model=str(model), first=found[0].id, second=found[1].id
        )
    if not found:
        raise _no_commit(model, id)
    return found[0]


def _whole(tx: Transaction, model: ModelName, id: str) -> Commit:
    found = tx.commits.get(model_of(tx, model).key, id)
    if found is None:
        raise _no_commit(model, id)
    return found


def _no_commit(model: ModelName, id: str) -> NotFoundError:
    return NotFoundError(
        kind="commit",
        name=f"{id} in {model}",
        fix=f"See which there are: hallmark commit list {model.path}",
    )


def check_not_main(kind: ReferenceKind, name: str, *, field: str) -> None:
    """Only the branch may be called main, in any spelling: names differ in more than case, and
    while another had this one no version could be created from files."""
    is_the_branch = kind is ReferenceKind.BRANCH and name == MAIN
    if name.casefold() == MAIN and not is_the_branch:
        raise InvalidFieldError(
            field=field,
            found=f"{kind.value} {name}",
            expected=f"a name other than {MAIN} in any spelling",
            fix=f"{MAIN} is kept for the branch that new versions are put on; "
            "choose another name, such as best.",
        )
