"""audit: whether the record of what was changed is intact, and proof of it for others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli import exits, output
from registry.cli.audit_export import export
from registry.cli.audit_keys import keys, replace_lost_key, rotate_key
from registry.cli.audit_questions import stage, who_approved, who_pulled
from registry.cli.events import events
from registry.cli.session import Session, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.app.evidence import Evidence
    from registry.client.audit_values import ConsistencyProof, EventProof
    from registry.client.values import AuditReport
    from registry.domain.proofs import Proven

_FILE = click.Path(path_type=Path, dir_okay=False)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.group("audit", cls=Group)
def audit() -> None:
    """Verify, prove, export and question the audit log."""


@audit.command("verify")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=_FILE)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A registry's folder, to be read without asking its server.",
)
@click.option("--key", type=_FILE, help="PEM file of the public keys to believe.")
@with_session
def verify(session: Session, files: tuple[Path, ...], home: Path | None, key: Path | None) -> None:
    """Recompute the audit log, and check it against checkpoints; exit code 1 names the first bad
    record.

    The server does so, or with --home this command: for where no server runs, or one that is not
    trusted to look at itself. It only reads, and harms no server that runs. FILEs are checkpoints
    that were kept elsewhere, which the log has to fit, or proofs, which need nothing but --key.
    """
    from registry.app.evidence import read_evidence, read_public_keys

    if home is not None and session.url:
        raise click.UsageError("--home asks no server: leave out --url, or --home to ask that one.")
    evidence = read_evidence(files)
    keys = read_public_keys(key) if key else ()
    proven = _judged(evidence, keys)
    if evidence.proofs and not evidence.notes and home is None:
        session.emit({"proofs": proven}, [_shown(path, each) for path, each in proven])
        return
    if home is None:
        found = session.client.events.verify(checkpoints=evidence.notes, public_keys=keys)
    else:
        found = _verified_in(home, evidence.notes, keys)
    lines = [*(_shown(path, each) for path, each in proven), *_report_lines(session, found)]
    session.emit(found, lines)
    if not evidence.notes and not session.full:
        session.note(
            "Who holds database and key can rewrite both: keep checkpoints elsewhere, and give "
            "them here"
        )


@audit.command("checkpoint")
@click.option("--out", type=_FILE, help="Append the checkpoint to this file.")
@with_session
def checkpoint(session: Session, out: Path | None) -> None:
    """Sign what the log holds now; where nothing is new, show the newest checkpoint."""
    made = session.client.audit.checkpoint()
    if out is not None:
        _append(out, made.note)
    count = output.counted(made.event_count, "event")
    root, key = session.digest(made.root), session.digest(made.public_key)
    lines = [f"Checkpoint {made.number}: {count}, root {root}, signed by key {key}"]
    if out is None:
        lines += ["", *made.note.splitlines()]
    else:
        lines.append(f"  hallmark audit verify {out}")
    session.emit(made, lines)


@audit.command("prove")
@click.argument("what", metavar="EVENT|CHECKPOINT")
@click.option(
    "--checkpoint", type=click.IntRange(min=1), help="By which checkpoint; else the newest."
)
@click.option("--out", type=_FILE, help="Write the proof to this file; else it is printed.")
@with_session
def prove(session: Session, what: str, checkpoint: int | None, out: Path | None) -> None:
    """Write a proof that EVENT is in the log, or that the log of CHECKPOINT was only added to.

    EVENT is a name such as shards/3/events/7, CHECKPOINT one such as checkpoints/31. Whoever has
    the public key checks the file with: hallmark audit verify FILE --key PEM
    """
    content = _proof_of(session, what, checkpoint or 0)
    if out is None:
        click.echo(output.as_json(content))
        return
    out.write_text(output.as_json(content) + "\n", encoding="utf-8")
    session.emit(
        {"file": str(out)}, [f"Wrote {out}", f"  hallmark audit verify {out} --key audit.pem"]
    )


def _judged(evidence: Evidence, keys: Sequence[str]) -> list[tuple[str, Proven]]:
    """What the proofs show; ends the command where one shows nothing, or nobody can tell."""
    from registry.app.evidence import judge
    from registry.domain.proofs import NotProvenError

    if evidence.proofs and not keys:
        raise _CannotTell(
            "Cannot tell without a key that you trust: add --key with the file of "
            "hallmark audit keys --out"
        )
    proven = []
    for path, content in evidence.proofs:
        try:
            proven.append((path, judge(content, keys)))
        except NotProvenError as error:
            raise _NotProven(f"{path}: {error}.") from error
    return proven


class _NotProven(click.ClickException):
    exit_code = exits.REFUSED

    def show(self, file: Any = None) -> None:
        click.echo(output.printable(self.message), err=True)


class _CannotTell(_NotProven):
    exit_code = exits.CANNOT_TELL


def _shown(path: str, proven: Proven) -> str:
    if proven.event is None:
        return (
            f"{path}: the log of checkpoint {proven.old} is the beginning of that of checkpoint "
            f"{proven.checkpoint}: proven."
        )
    event = proven.event
    return (
        f"{path}: {event.name}, {event.action} of {output.path_of(event.resource)} by "
        f"{output.path_of(event.actor)}, is in checkpoint {proven.checkpoint}: proven."
    )


def _report_lines(session: Session, found: AuditReport) -> list[str]:
    shards = output.counted(found.shard_count, "shard")
    count = output.counted(found.event_count, "event")
    checkpoints = output.counted(found.checkpoint_count, "checkpoint")
    lines = [f"{count} in {shards}, {checkpoints}: intact."]
    for new in found.beginnings:
        key, lost = session.digest(new.public_key), session.digest(new.lost_key)
        lines.append(
            f"Checkpoint {output.path_of(new.checkpoint)} of {output.moment(new.time)} is a new "
            f"beginning by key {key}, since {lost} was lost: that nothing was rewritten before it, "
            "only checkpoints show that were kept elsewhere."
        )
    if session.full:
        lines += output.table(
            (f"  shard {head.shard}", output.number(head.number), head.hash) for head in found.heads
        )
    return lines


def _verified_in(home: Path, notes: Sequence[str], keys: Sequence[str]) -> AuditReport:
    """What the server of that folder would answer."""
    from registry.app.offline import run_audit_verify
    from registry.client.values import AuditReport, NewBeginning, ShardHead

    summary = run_audit_verify(home, notes, keys)
    return AuditReport(
        event_count=summary.event_count,
        shard_count=len(summary.heads),
        heads=tuple(
            ShardHead(shard=head.shard, number=head.number, hash=head.hash)
            for head in summary.heads
        ),
        checkpoint_count=summary.checkpoint_count,
        beginnings=tuple(
            NewBeginning(
                checkpoint=f"checkpoints/{new.checkpoint}",
                time=_EPOCH + timedelta(microseconds=new.time_us),
                lost_key=new.lost_key,
                public_key=new.public_key,
            )
            for new in summary.beginnings
        ),
    )


def _append(path: Path, note: str) -> None:
    """Unless it is in the file already."""
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if note not in kept:
        with open(path, "a", encoding="utf-8") as file:
            file.write(note)


def _proof_of(session: Session, what: str, checkpoint: int) -> dict[str, Any]:
    collection, _, number = what.partition("/")
    if collection == "checkpoints":
        if not number.isdecimal():
            raise click.UsageError(f"{what!r} is no checkpoint; write one as checkpoints/31.")
        return _consistency(
            session, session.client.audit.prove_consistency(int(number), checkpoint)
        )
    return _inclusion(session.client.audit.prove(what, checkpoint=checkpoint))


def _inclusion(proof: EventProof) -> dict[str, Any]:
    from registry.cli.audit_export import content_of
    from registry.domain.proofs import PROOF

    return {
        "schema": PROOF,
        "event": content_of(proof.event),
        "size": proof.size,
        "path": proof.path,
        "checkpoint": proof.checkpoint,
        "handovers": proof.handovers,
    }


def _consistency(session: Session, proof: ConsistencyProof) -> dict[str, Any]:
    from registry.domain.proofs import CONSISTENCY

    keys = session.client.audit.keys().keys
    handed_over = [int(key.last.rpartition("/")[2]) for key in keys[:-1] if key.last]
    return {
        "schema": CONSISTENCY,
        "old": proof.old,
        "new": proof.new,
        "shards": json.loads(output.as_json(proof.shards)),
        "handovers": [session.client.audit.get(number).note for number in handed_over],
    }


for command in (keys, rotate_key, replace_lost_key, export, who_approved, who_pulled, stage):
    audit.add_command(command)
audit.add_command(events, "list")
