"""convert: a version, or local files, in a format that is safer or that Triton takes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli import exits, output
from registry.cli.finding import find_reference
from registry.cli.push import push_lines, stopped
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.app.converting import Conversion, ConvertedFile
    from registry.client.progress import Progress

_SHOWN = 5


@click.command("convert")
@click.argument("source", metavar="MODEL@REF|PATH")
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(["safetensors", "onnx-external", "onnx-inline"]),
    help="From torch's checkpoints to safetensors; or tensors of ONNX models into one file beside "
    "each, or back into it.",
)
@click.option("--into", metavar="MODEL", default="", help="Where the new version goes; else MODEL.")
@click.option(
    "--out",
    metavar="FOLDER",
    default=None,
    type=click.Path(path_type=Path),
    help="Convert a local file or folder into this new one; needs no server.",
)
@click.option(
    "--without", metavar="FILE", multiple=True, help="Leave this one out. May be repeated."
)
@click.option("--message", default="", help="The commit's message.")
@click.option("--new", is_flag=True, help="A new version even where the newest is the same.")
@click.option("--dry-run", is_flag=True, help="Convert and compare, and push or write nothing.")
@click.option("--bare", is_flag=True, help="Also where this machine has no Landlock or seccomp.")
@with_session
def convert(
    session: Session,
    source: str,
    target: str,
    into: str,
    out: Path | None,
    without: Sequence[str],
    message: str,
    new: bool,
    dry_run: bool,
    bare: bool,
) -> None:
    """Make a new version in another format, proved to hold the same tensors.

    The version is pulled into a temporary folder (TMPDIR) and converted in the jail; names, dtypes,
    shapes and bytes of all tensors are compared, and the result is pushed with all other files, and
    with the version it was converted from as its base. The original stays as it is.

    With --out, or where PATH is a file or folder, local files are converted.
    """
    how = {"without": without, "bare": bare, "watcher": _Watcher(session.progress)}
    if out is not None or Path(source).exists():
        if into or new or message:
            raise click.UsageError("--into, --new and --message are for versions, not for files.")
        if not Path(source).exists():
            raise click.UsageError(
                f"{source} is no file or folder here, and --out is for those. Leave it out, or "
                f"fetch the version first: hallmark pull {source} FOLDER"
            )
        if out is None and not dry_run:
            raise click.UsageError(
                f"Where to? {source} is a local file or folder: add --out FOLDER"
            )
        _convert_folder(session, Path(source), target, None if dry_run else out, how)
        return
    reference = find_reference(session, source)
    with tempfile.TemporaryDirectory(prefix="hallmark-convert-") as workplace:
        _convert_version(
            session,
            reference,
            target,
            Path(workplace),
            how,
            into=into,
            message=message,
            new=new,
            dry_run=dry_run,
        )


def _convert_folder(
    session: Session, path: Path, target: str, out: Path | None, how: dict[str, Any]
) -> None:
    from registry.app.converting import ConversionError, NoJailError, convert_folder

    try:
        found = convert_folder(path, target, out, **how)
    except (ConversionError, NoJailError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise _interrupted(session) from None
    end = f"Wrote {out}" if out is not None else "Nothing was written, as --dry-run asks."
    session.emit(
        {"files": found.files, "written": found.written, "replaced": found.replaced},
        [*_lines(found), end],
    )


def _convert_version(
    session: Session,
    reference: str,
    target: str,
    workplace: Path,
    how: dict[str, Any],
    *,
    into: str,
    message: str,
    new: bool,
    dry_run: bool,
) -> None:
    from registry.app.converting import ConversionError, NoJailError, convert_pulled
    from registry.client.values import Base

    original, result = workplace / "original", workplace / "converted"
    try:
        pulled = session.client.pull(reference, original, progress=session.progress)
        paths = [file.path for file in pulled.files]
        found = convert_pulled(original, paths, target, result, **how)
    except (ConversionError, NoJailError) as error:
        raise click.ClickException(f"{reference} was not converted. {error}") from error
    except KeyboardInterrupt:
        raise _interrupted(session) from None
    version = pulled.version
    model = into or version.model
    document = {"files": found.files, "written": found.written, "replaced": found.replaced}
    if dry_run:
        end = f"Would push it to {model} as made from {version.ref}; nothing was pushed."
        session.emit({**document, "push": None}, [*_lines(found), end])
        return
    try:
        pushed = session.client.push(
            result,
            model,
            description=f"{version.ref} as {target}",
            base=[Base(version=version.name, kind="converted")],
            message=message,
            new=new,
            # They were in the version, so they are wanted.
            hidden=True,
            progress=session.progress,
        )
    except KeyboardInterrupt:
        raise stopped(session) from None
    lines = [*_lines(found), *push_lines(session, pushed, model)]
    session.emit({**document, "push": pushed}, lines)


def _interrupted(session: Session) -> click.exceptions.Exit:
    session.note("\nInterrupted; nothing was converted, and nothing is left of it.")
    return click.exceptions.Exit(exits.INTERRUPTED)


class _Watcher:
    """Shows a file's conversion as a transfer is shown."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def begin(self, step: str, path: str, size_bytes: int) -> None:
        from registry.client.progress import FileStep

        self._progress.begin(step, [FileStep(path=path, size_bytes=size_bytes)])

    def advance(self, path: str, count: int) -> None:
        self._progress.advance(path, count)

    def end(self) -> None:
        self._progress.end()


def _lines(found: Conversion) -> list[str]:
    lines = []
    for file in found.files:
        lines += _file_lines(file)
    told = {path for file in found.files for path in (file.path, *file.becomes)}
    others = [path for path in found.replaced if path not in told]
    if others:
        lines.append(f"  gone: {_some(others)}")
    made = [path for path in found.written if path not in told]
    if made:
        lines.append(f"  made anew: {_some(made)}")
    return lines


def _file_lines(file: ConvertedFile) -> list[str]:
    what = f"{output.counted(file.tensors, 'tensor')}, {output.size(file.size_bytes)}"
    lines = [
        f"{file.path} became {' and '.join(file.becomes)}: {what}, compared and the same",
    ]
    if file.within:
        lines.append(f"  names are those within {file.within!r}")
    if file.left_out:
        said = [f"{name} ({what})" for name, what in file.left_out]
        lines.append(f"  left out, being no tensors of a model: {_some(said, file.left_out_count)}")
    for group in file.ties[:_SHOWN]:
        lines.append(f"  shared bytes, and each has its own now: {_some(group)}")
    if len(file.ties) > _SHOWN:
        lines.append(f"  and {len(file.ties) - _SHOWN} more groups of tensors that shared bytes")
    return lines


def _some(words: Sequence[str], count: int = 0) -> str:
    more = max(count, len(words)) - len(words[:_SHOWN])
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more else "")
