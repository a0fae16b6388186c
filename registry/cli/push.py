"""push: files from here become a version there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import exits, output
from registry.cli.params import DatasetParam, numbers_of, texts_of
from registry.cli.session import Session, command_line, with_session
from registry.cli.waiting import await_verdict, verdict_exit, verdict_lines

if TYPE_CHECKING:
    from registry.client.push import PushResult
    from registry.client.values import Base, CodeRevision, Dataset

_KINDS = ("finetune", "adapter", "merge", "quantized", "converted", "mirrored")
_LEFT_OUT_SHOWN = 5


@click.command("push")
@click.argument(
    "sources", metavar="FOLDER|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.argument("model", metavar="MODEL")
@click.option("--base", "bases", multiple=True, metavar="REF[:KIND]", help="May be repeated.")
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    default="finetune",
    show_default=True,
    help="How it came from its bases, where they do not say.",
)
@click.option("--metrics", multiple=True, metavar="KEY=NUMBER|FILE.json", help="May be repeated.")
@click.option("--params", multiple=True, metavar="KEY=VALUE|FILE.json", help="May be repeated.")
@click.option(
    "--dataset",
    "datasets",
    type=DatasetParam(digest_required=False),
    multiple=True,
    metavar="NAME[@sha256:...]",
    help="May be repeated.",
)
@click.option("--code-repository", default="", help="Where the training code is.")
@click.option("--code-revision", default="", help="Its commit.")
@click.option("--code-dirty", is_flag=True, help="It had changes that the commit lacks.")
@click.option("--run-url", default="", help="The training run's page.")
@click.option("--description", default="", help="What this version is.")
@click.option("--message", default="", help="The commit's message.")
@click.option("--new", is_flag=True, help="A new version even where the newest is the same.")
@click.option("--no-create", is_flag=True, help="Fail where the model does not exist.")
@click.option("--hidden", is_flag=True, help="Take hidden files too.")
@click.option("--dry-run", is_flag=True, help="Hash, compare, and send nothing.")
@click.option("--wait", is_flag=True, help="Wait for the verdict; exit code 1 if it is not pass.")
@with_session
def push(
    session: Session,
    sources: tuple[Path, ...],
    model: str,
    bases: tuple[str, ...],
    kind: str,
    metrics: tuple[str, ...],
    params: tuple[str, ...],
    datasets: tuple[Dataset, ...],
    code_repository: str,
    code_revision: str,
    code_dirty: bool,
    run_url: str,
    description: str,
    message: str,
    new: bool,
    no_create: bool,
    hidden: bool,
    dry_run: bool,
    wait: bool,
) -> None:
    """Register a folder, or files, as a new version of MODEL.

    Only bytes that the registry lacks are sent. A push that is cut goes on where it stopped when it
    is run again. The model card (README.md) is read for the model's fields.
    """
    try:
        result = session.client.push(
            sources,
            model,
            description=description,
            parameters=texts_of(params, option="--params"),
            metrics=numbers_of(metrics, option="--metrics"),
            datasets=datasets,
            code=_code(code_repository, code_revision, code_dirty),
            run_url=run_url,
            base=[_base(each, kind) for each in bases],
            message=message,
            new=new,
            create_model=not no_create,
            hidden=hidden,
            dry_run=dry_run,
            progress=session.progress,
        )
    except KeyboardInterrupt:
        raise stopped(session) from None
    if not wait or result.version is None:
        session.emit(result, push_lines(session, result, model))
        return
    if not session.json:
        session.emit(result, push_lines(session, result, model)[:-1])
    version = await_verdict(session, result.version)
    session.emit(replace(result, version=version), verdict_lines(version))
    raise click.exceptions.Exit(verdict_exit(version))


def stopped(session: Session) -> click.exceptions.Exit:
    """What a transfer that Ctrl-C ended says, and how it exits."""
    session.note(f"\nInterrupted; what was stored is kept. Go on with:\n  {command_line()}")
    return click.exceptions.Exit(exits.INTERRUPTED)


def _base(text: str, kind: str) -> Base:
    from registry.client.values import Base

    reference, colon, own = text.rpartition(":")
    if colon and own in _KINDS:
        return Base(version=reference, kind=own)
    return Base(version=text, kind=kind)


def _code(repository: str, revision: str, dirty: bool) -> CodeRevision:
    from registry.client.values import CodeRevision

    return CodeRevision(repository=repository, revision=revision, dirty=dirty)


def push_lines(session: Session, result: PushResult, model: str) -> list[str]:
    """What was done; the last line says what could be done next, where there is something."""
    files = f"{output.counted(len(result.files), 'file')}, {output.size(result.size_bytes)}"
    digest = session.digest(result.digest)
    lines = [*_left_out(result), *_card(result)]
    version = result.version
    if version is None:
        model_too = f" and the model {model}" if result.model_created else ""
        return [*lines, f"Would create a version of {model}{model_too}: {files}, {digest}"]
    if not result.created:
        return [
            *lines,
            f"{version.ref} already is exactly this ({files}, {digest}); nothing was created.",
            "Make another all the same: add --new",
        ]
    sent = f"{output.size(result.sent_bytes)} sent"
    if result.sent_bytes < result.size_bytes:
        sent += ", the rest was stored"
    if result.model_created:
        lines.append(f"Created model {version.model}.")
    lines.append(
        f"Created {version.model} version {version.number}   {digest}   {files}, {sent}   "
        f"{version.state}, vetting started"
    )
    return [*lines, f"  hallmark version show {version.ref} --wait"]


def _left_out(result: PushResult) -> list[str]:
    shown = [f"{each.path} ({each.why})" for each in result.left_out[:_LEFT_OUT_SHOWN]]
    more = len(result.left_out) - len(shown)
    if more > 0:
        shown.append(f"{more} more")
    return [f"  left out: {', '.join(shown)}"] if shown else []


def _card(result: PushResult) -> list[str]:
    if not result.card_missing:
        return []
    if result.card_missing == ("README.md",):
        return ["  card: no README.md, so nobody will know what this is for"]
    return [f"  card: README.md lacks {', '.join(result.card_missing)}"]
