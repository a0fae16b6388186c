"""Commands that check a registry where it lies, without asking its server."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry import config
from registry.app.files import append_audit_key, audit_keys
from registry.app.people import people_of
from registry.auth.signing import Ed25519Keys
from registry.blobs.local import LocalBlobStore
from registry.clock import SystemClock
from registry.config import Settings
from registry.db.engine import open_database
from registry.domain.checkpoints import read_checkpoint
from registry.domain.directory import Step
from registry.domain.events import ChainSummary
from registry.domain.fsck import Report
from registry.errors import InvalidStateError, StartError
from registry.services.fsck import Fsck, Progress
from registry.services.verification import verify_evidence


def run_fsck(
    home: Path | None, *, repair: bool, quick: bool, tell: Callable[[str], None]
) -> Report:
    """`hallmark fsck`: check a registry's database and bytes, beside a server or without one.

    `repair` removes bytes that nothing refers to, and needs the server stopped. Raises StartError
    and the like where the registry cannot be opened; makes none.
    """
    settings = _settings_of(home)
    clock = SystemClock()
    if repair:
        # To open it for changes makes a database where there is none.
        open_database(settings.database_url, clock=clock, serving=False).close()
    database = open_database(settings.database_url, clock=clock, serving=repair)
    try:
        fsck = Fsck(
            database=database,
            blobs=LocalBlobStore(settings.blob_dir),
            clock=clock,
            quick=quick,
            tell=lambda progress: tell(_told(progress)),
        )
        return fsck.run(remove_orphans=repair)
    finally:
        database.close()


def run_audit_verify(
    home: Path, notes: Sequence[str] = (), public_keys: Sequence[str] = ()
) -> ChainSummary:
    """`hallmark audit verify --home`: check the audit log, beside a server or without one.

    `notes` of checkpoints that were kept elsewhere count too; `public_keys` are believed in place
    of the folder's own, which need not be there then. Only reads. Raises as verify_evidence, and
    StartError and the like where the registry cannot be opened.
    """
    settings = _settings_of(home)
    database = open_database(settings.database_url, clock=SystemClock(), serving=False)
    try:
        keys = Ed25519Keys([]) if public_keys else audit_keys(settings.audit_key_file)
        return verify_evidence(database, keys, given=notes, trusted=public_keys)
    finally:
        database.close()


@dataclass(frozen=True, kw_only=True)
class RotatedKey:
    path: Path
    old_key: str
    new_key: str


def run_audit_rotate_key(home: Path | None) -> RotatedKey:
    """`hallmark audit rotate-key`: put a new key behind the one that signs checkpoints.

    InvalidStateError where another one waits there already, or the one that has to sign is gone.
    """
    settings = _settings_of(home)
    path = settings.audit_key_file
    own = audit_keys(path).public_keys
    database = open_database(settings.database_url, clock=SystemClock(), serving=False)
    try:
        last = database.read(lambda tx: tx.checkpoints.last())
    finally:
        database.close()
    due = read_checkpoint(last.note).checkpoint.successor_key if last else own[-1]
    if due != own[-1]:
        waits = due in own
        raise InvalidStateError(
            name=f"Key file {path}",
            action="get another key",
            found=f"one in which {own[-1][:16]}... has not signed yet",
            allowed="one whose last key signs",
            fix="Restart the server, then hand over to that key: hallmark audit checkpoint"
            if waits
            else f"Put key {due[:16]}... back before it, or if that is lost: "
            f"hallmark audit replace-lost-key {due[:16]} --note WHY",
        )
    return RotatedKey(path=path, old_key=due, new_key=append_audit_key(path).public_keys[-1])


def run_auth_test(user: str, home: Path | None) -> Sequence[Step]:
    """`hallmark auth test`: try each step of a login against the configured directory.

    Asks for no password. Raises StartError where settings or files cannot be used.
    """
    settings = _settings_of(home)
    people = people_of(settings, clock=SystemClock())
    if people.directory is None:
        raise StartError(
            what="The directory",
            found="HALLMARK_LDAP_URLS is not set",
            fix="Set it, or name the server's own settings file: HALLMARK_SERVER_CONFIG.",
        )
    return people.directory.probe(user)


def _settings_of(home: Path | None) -> Settings:
    """Those that `hallmark serve` would have there; None: in HALLMARK_HOME."""
    environment = dict(os.environ)
    if home is not None:
        environment["HALLMARK_HOME"] = str(home)
    return config.load(environment)


def _told(progress: Progress) -> str:
    return f"{progress.done} {progress.what}"
