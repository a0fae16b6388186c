"""vet: know what files are before anyone loads them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import exits, output, vetting
from registry.cli.session import Session, with_session
from registry.cli.tree import Group
from registry.domain.versions import Verdict
from registry.names.text import visible

if TYPE_CHECKING:
    from registry.app.vetting import JudgedFile, Layer
    from registry.domain.versions import Finding

_EXITS = {
    Verdict.PASS: exits.DONE,
    Verdict.FAIL: exits.REFUSED,
    Verdict.UNKNOWN: exits.CANNOT_TELL,
}
_MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


@click.group(cls=Group)
def vet() -> None:
    """Check files before anyone loads them."""


@vet.command("check")
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--bare",
    is_flag=True,
    help="Look at the files even where this machine has no Landlock or seccomp.",
)
@click.option(
    "--clamav",
    metavar="PATH",
    type=click.Path(path_type=Path),
    envvar="HALLMARK_CLAMAV_SOCKET",
    help="Ask the clamd behind this unix socket, too; HALLMARK_CLAMAV_SOCKET.",
)
@click.option(
    "--yara",
    metavar="DIR",
    type=click.Path(path_type=Path),
    envvar="HALLMARK_YARA_DIR",
    help="Scan with the YARA rules of this folder, in files *.yar, too; HALLMARK_YARA_DIR.",
)
@with_session
def check(
    session: Session,
    paths: Sequence[Path],
    bare: bool,
    clamav: Path | None,
    yara: Path | None,
) -> None:
    """Look at local files and folders as a server would at a version of them. Needs no server.

    Exit code 0 where all pass, 1 where one fails, 5 where one is unknown and none fails.
    """
    from registry.app.vetting import NoJailError, check_files, verdict_of

    try:
        files = list(check_files(paths, bare=bare, clamav=clamav, yara=yara))
    except NoJailError as error:
        raise click.ClickException(str(error)) from error
    verdict = verdict_of(files)
    session.emit(
        {"verdict": verdict.value, "files": [_as_json(file) for file in files]},
        [*(line for file in files for line in _lines(file)), _summary(files, verdict)],
    )
    raise click.exceptions.Exit(_EXITS[verdict])


@vet.command("jail-check")
@with_session
def jail_check(session: Session) -> None:
    """Show which layers of the jail hold on this machine, by trying them.

    Exit code 0 where all of it holds, 1 where something is missing: then files are not vetted here.
    """
    from registry.app import vetting

    layers = vetting.jail_check()
    session.emit(
        [{**dataclasses.asdict(layer), "holds": layer.holds} for layer in layers],
        [line for layer in layers for line in _layer_lines(layer)],
    )
    raise click.exceptions.Exit(exits.DONE if layers[-1].holds else exits.REFUSED)


vet.add_command(vetting.status)
vet.add_command(vetting.rerun)
vet.add_command(vetting.changes)


def _layer_lines(layer: Layer) -> list[str]:
    if layer.missing:
        return [f"✗ {layer.name}  {layer.missing}"]
    allowed = [what for what, refused in layer.refused.items() if not refused]
    if allowed:
        return [f"✗ {layer.name}  does not refuse to {', to '.join(allowed)}"]
    return [f"✓ {layer.name}  refuses to {', to '.join(layer.refused)}"]


def _lines(file: JudgedFile) -> list[str]:
    about = ", ".join(filter(None, (file.format, output.size(file.size_bytes), _learned(file))))
    # A name with a line end would be a line of its own, such as one of another file that passes.
    lines = [f"{_MARKS[file.verdict]} {visible(file.path)}  {about}"]
    for finding in file.findings:
        lines.append(f"    {finding.rule}  {_where(finding)}{finding.message}")
    lines += [f"    {fix}" for fix in dict.fromkeys(each.fix for each in file.findings)]
    return lines


def _learned(file: JudgedFile) -> str:
    tensors = file.facts.get("tensors")
    return output.counted(len(tensors), "tensor") if tensors else ""


def _where(finding: Finding) -> str:
    place = finding.member
    if finding.offset is not None:
        place = f"{place} at byte {finding.offset:,}".strip()
    return f"{place}: " if place else ""


def _summary(files: Sequence[JudgedFile], verdict: Verdict) -> str:
    counts = Counter(file.verdict for file in files)
    said = ", ".join(f"{counts[each]} {each.value}" for each in Verdict if counts[each])
    return f"{verdict.value}: {said or 'no files'}"


def _as_json(file: JudgedFile) -> dict[str, object]:
    return {
        "path": file.path,
        "verdict": file.verdict.value,
        "format": file.format,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "findings": [
            {
                "rule": each.rule,
                "evidence": each.message,
                "member": each.member,
                "offset": each.offset,
                "remedy": each.fix,
                "fails": each.fails,
                "doubts": each.doubts,
            }
            for each in file.findings
        ],
        "facts": file.facts,
    }
