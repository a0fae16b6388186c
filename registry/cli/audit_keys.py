"""audit keys, rotate-key, replace-lost-key: what signs checkpoints, and how another key comes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.client.audit_values import AuditKey

_FILE = click.Path(path_type=Path, dir_okay=False)
#: Shorter beginnings of a key are refused: what they name cannot be taken back.
_BEGINNING_MIN = 8


@click.command("keys")
@click.option("--out", type=_FILE, help="Write them to this PEM file.")
@with_session
def keys(session: Session, out: Path | None) -> None:
    """Show the public keys that sign checkpoints, oldest first."""
    from registry.domain.notes import public_pem, verifier_key

    found = session.client.audit.keys()
    if out is not None:
        pem = "".join(public_pem(key.public_key) for key in found.keys)
        out.write_text(pem, encoding="ascii")
    rows = [
        (
            session.digest(key.public_key),
            "signs now" if key.current else "",
            f"{key.first} to {key.last}" if key.first else "nothing signed yet",
            verifier_key(bytes.fromhex(key.public_key)) if session.full else "",
        )
        for key in found.keys
    ]
    lines = session.table(rows, ("key", "", "signed", "for tools of signed notes"))
    if out is not None:
        lines.append(f"Wrote {out}")
    session.emit(found, lines)


@click.command("rotate-key")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The registry's folder; else HALLMARK_HOME.",
)
@with_session
def rotate_key(session: Session, home: Path | None) -> None:
    """Put a new key behind the one that signs checkpoints, in the server's key file.

    Run it on the server's machine, as the server's user. After a restart the next checkpoint is
    signed by the old key and names the new one, which signs from then on; so old checkpoints stay
    proven, and nothing has to be believed anew by who believes the old key.
    """
    from registry.app.offline import run_audit_rotate_key

    made = run_audit_rotate_key(home)
    new, old = session.digest(made.new_key), session.digest(made.old_key)
    session.emit(
        {"file": str(made.path), "old_key": made.old_key, "new_key": made.new_key},
        [
            f"Put key {new} behind {old} in {made.path}.",
            "Give every replica that file, back it up, and restart. Then hand over:",
            "  hallmark audit checkpoint",
        ],
    )
    session.note("To undo it before the restart, take the file's last block out again")


@click.command("replace-lost-key")
@click.argument("key", metavar="KEY")
@click.option("--note", required=True, help="How it was lost, and who was told.")
@with_session
def replace_lost_key(session: Session, key: str, note: str) -> None:
    """Have checkpoints go on by the server's own key, where KEY is lost: a new beginning.

    KEY is the lost public key or its beginning, as hallmark audit keys shows it. This cannot be
    undone, and hallmark audit verify tells of it ever after. Where the key is still there, change
    it with hallmark audit rotate-key.
    """
    lost = _found(session, key)
    made = session.client.audit.replace_lost_key(lost.public_key, note)
    new, old = session.digest(made.public_key), session.digest(lost.public_key)
    session.emit(
        made,
        [
            f"Checkpoint {made.number} is a new beginning: key {new} signs in place of {old}.",
            "Those before it are still checked by the lost key's public half. For who checks:",
            "  hallmark audit keys --out audit.pem",
        ],
    )


def _found(session: Session, key: str) -> AuditKey:
    listed = session.client.audit.keys().keys
    fitting = [each for each in listed if each.public_key.startswith(key.lower())]
    if len(key) < _BEGINNING_MIN or len(fitting) != 1:
        shown = ", ".join(output.digest(each.public_key, full=False) for each in listed)
        raise click.UsageError(
            f"{key!r} names no key: write {_BEGINNING_MIN} or more figures of one of {shown}."
        )
    return fitting[0]
