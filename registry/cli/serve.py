"""serve, fsck: the two commands that are the registry instead of talking to one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import exits, output
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.domain.fsck import Report

TELL_EVERY_S = 2.0


@click.command("serve")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of database, bytes and keys; HALLMARK_HOME.",
)
@click.option("--grpc-address", metavar="HOST:PORT", help="HALLMARK_GRPC_ADDRESS.")
@click.option("--http-address", metavar="HOST:PORT", help="HALLMARK_HTTP_ADDRESS.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file of settings; HALLMARK_SERVER_CONFIG.",
)
def serve(
    home: Path | None, grpc_address: str | None, http_address: str | None, config: Path | None
) -> None:
    """Run the registry until it is asked to stop (Ctrl-C, SIGTERM).

    Settings come from options, the environment and the file, in this order; all of them are in the
    README's table.
    """
    # Before gRPC is loaded. At its own level it logs what strangers send, line breaks included.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from registry.app.serve import run_serve

    given = {
        "HALLMARK_HOME": home,
        "HALLMARK_GRPC_ADDRESS": grpc_address,
        "HALLMARK_HTTP_ADDRESS": http_address,
        "HALLMARK_SERVER_CONFIG": config,
    }
    overrides = {name: str(value) for name, value in given.items() if value is not None}
    raise click.exceptions.Exit(run_serve(overrides))


@click.command("fsck")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The registry's folder; HALLMARK_HOME.",
)
@click.option("--quick", is_flag=True, help="Compare sizes, but do not read the bytes.")
@click.option(
    "--repair", is_flag=True, help="Remove bytes that nothing refers to; stop the server first."
)
@with_session
def fsck(session: Session, home: Path | None, quick: bool, repair: bool) -> None:
    """Check a registry's database, bytes and audit log, where they lie.

    Needs no server, and harms none that runs. Exit code 0 when all is well, 1 when something is
    damaged.
    """
    from registry.app.offline import run_fsck

    told_s = time.monotonic()

    def tell(text: str) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            session.note(f"  checked {text}")

    report = run_fsck(home, repair=repair, quick=quick, tell=tell)
    session.emit(report, _report_lines(report, quick=quick))
    raise click.exceptions.Exit(exits.DONE if report.is_clean else exits.REFUSED)


def _report_lines(report: Report, *, quick: bool) -> list[str]:
    read = "sizes compared" if quick else "read whole"
    looked_at = (
        f"{output.counted(report.versions, 'version')}, {output.counted(report.events, 'event')}, "
        f"{output.counted(report.blobs, 'file')} ({output.size(report.size_bytes)}, {read})"
    )
    lines = [f"  {problem}" for problem in report.problems]
    if lines:
        lines.insert(0, f"{output.counted(len(lines), 'problem')} found in {looked_at}:")
        lines.append("Restore what is damaged from a backup.")
    else:
        lines = [f"{looked_at}: clean."]
    if report.removed:
        lines.append(f"Removed {output.counted(report.removed, 'file')} that nothing refers to.")
    elif report.orphans:
        freed = output.size(report.orphan_bytes)
        orphans = f"{output.counted(len(report.orphans), 'file')} ({freed}) that nothing refers to"
        lines.append(
            f"{orphans}, which is no damage. Remove with the server stopped: hallmark fsck --repair"
            if report.is_clean
            else f"{orphans} stay, since the mend may need them."
        )
    return lines
