"""Files that a server starts from: its home, its key, its certificate."""

from __future__ import annotations

import logging
import os
import secrets
import ssl
from pathlib import Path

from registry.api.server import TlsFiles
from registry.auth.signing import Ed25519Keys, new_private_pem
from registry.config import Settings
from registry.errors import StartError
from registry.jobs.webhooks import HttpSender
from registry.policies.loader import PolicyFilesError, read_folder
from registry.services.tickets import KEY_BYTES_MIN
from registry.shipped import shipped_folder

logger = logging.getLogger(__name__)


def make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            what=f"Home folder {home}",
            found=f"it cannot be made: {error.strerror}",
            fix="Choose another with HALLMARK_HOME.",
        ) from error


def policy_files(folder: Path | None) -> dict[str, bytes]:
    """The policy files for the very first start."""
    try:
        return read_folder(shipped_folder() if folder is None else folder)
    except PolicyFilesError as error:
        raise StartError(
            what="The policy files",
            found=str(error),
            fix="Name a folder that has them with HALLMARK_POLICY_DIR, or leave it out.",
        ) from error


def make_ticket_key(path: Path) -> None:
    """Make the key that signs addresses, with nobody else's access, unless it is there."""
    _make(path, secrets.token_bytes(KEY_BYTES_MIN), "HALLMARK_TICKET_KEY_FILE")


def ticket_key(path: Path) -> bytes:
    """The key that signs addresses."""
    key = _read(path, "HALLMARK_TICKET_KEY_FILE")
    if len(key) < KEY_BYTES_MIN:
        raise StartError(
            what=f"Key file {path}",
            found=f"{len(key)} bytes",
            fix=f"It takes at least {KEY_BYTES_MIN} random bytes; remove it to get a new one.",
        )
    return key


def make_audit_key(path: Path) -> None:
    """Make the key that signs checkpoints, with nobody else's access, unless it is there."""
    _make(path, new_private_pem(), "HALLMARK_AUDIT_KEY_FILE")


def audit_keys(path: Path) -> Ed25519Keys:
    """The keys that sign checkpoints."""
    pem = _read(path, "HALLMARK_AUDIT_KEY_FILE")
    try:
        return Ed25519Keys.parse(pem)
    except ValueError as error:
        raise StartError(
            what=f"Key file {path}",
            found="no Ed25519 private key in PEM, without a password",
            fix="Put back the one that was there: checkpoints go on with no other.",
        ) from error


def append_audit_key(path: Path) -> Ed25519Keys:
    """Put a new key behind those in the file: all of it or nothing, with access as it was. The keys
    that are there then."""
    # A link is followed, as by who reads it.
    real = path.resolve()
    before = audit_keys(real)
    new = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        was = real.stat()
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(real.read_bytes().rstrip() + b"\n" + new_private_pem())
                file.flush()
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
                os.fchmod(file.fileno(), was.st_mode & 0o777)
                os.fsync(file.fileno())
            os.replace(new, real)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        _sync_folder(real.parent)
    except OSError as error:
        raise StartError(
            what=f"Key file {path}",
            found=f"it cannot be changed: {error.strerror}",
            fix="Run this as the server's user where the file can be written, or put the output of "
            "openssl genpkey -algorithm ed25519 behind its last block.",
        ) from error
    after = audit_keys(real)
    assert after.public_keys[:-1] == before.public_keys
    return after


def tls_files(settings: Settings) -> TlsFiles | None:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    return TlsFiles(
        certificate=_read(settings.tls_certificate_file, "HALLMARK_TLS_CERTIFICATE_FILE"),
        key=_read(settings.tls_key_file, "HALLMARK_TLS_KEY_FILE"),
    )


def webhook_sender(settings: Settings) -> HttpSender:
    """What posts to webhooks' receivers, with the authorities it trusts read."""
    if settings.webhook_ca_file is not None:
        _read(settings.webhook_ca_file, "HALLMARK_WEBHOOK_CA_FILE")
    try:
        return HttpSender(
            networks=settings.webhook_networks,
            development=settings.is_development,
            ca_file=settings.webhook_ca_file,
        )
    except ssl.SSLError as error:
        raise StartError(
            what=f"File {settings.webhook_ca_file}",
            found="no certificate in PEM",
            fix="Check it, or set HALLMARK_WEBHOOK_CA_FILE to another.",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: Path, content: bytes, variable: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except FileExistsError:
        logger.debug("using the key in %s", path)
    except OSError as error:
        raise StartError(
            what=f"Key file {path}",
            found=f"it cannot be made: {error.strerror}",
            fix=f"Make room for it there, or set {variable} to another place.",
        ) from error


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(
            what=f"File {path}",
            found=f"it cannot be read: {error.strerror}",
            fix=f"Check it, or set {variable} to another.",
        ) from error
