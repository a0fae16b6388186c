"""ready: whether a model will load and answer on a release of NVIDIA Triton."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli import exits, output
from registry.cli.finding import find_reference
from registry.cli.ready_probe import ProbeFlags, probe_lines, probe_options
from registry.cli.session import Session, command_line, with_session
from registry.cli.tree import Group
from registry.domain.readiness import ProbeResult, Readiness, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.app.probing import ProbeTarget

_EXITS = {
    Readiness.READY: exits.DONE,
    Readiness.NOT_READY: exits.REFUSED,
    Readiness.UNKNOWN: exits.CANNOT_TELL,
}


class ReadyGroup(Group):
    default_command = "show"


@click.group(cls=ReadyGroup)
def ready() -> None:
    """Say whether a version will load and answer on Triton.

    A first word that is no command is a version: hallmark ready fraud/scorer@7 --triton 25.10
    """


def _report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--diff", is_flag=True, help="Show how its config.pbtxt differs from a generated one."
        ),
        click.option("--config", is_flag=True, help="Show the config.pbtxt that Triton is given."),
    ):
        function = option(function)
    return function


@ready.command("show")
@click.argument("reference", metavar="MODEL@REF")
@click.option(
    "--triton",
    "releases",
    metavar="RELEASE",
    multiple=True,
    help="Such as 25.10; once for each. Else those that were asked about.",
)
@probe_options
@_report_options
@with_session
def show(
    session: Session,
    reference: str,
    releases: Sequence[str],
    probe: ProbeFlags,
    config: bool,
    diff: bool,
) -> None:
    """Show whether a version is ready for releases of Triton; it is assessed where that is new.

    With --probe a real Triton loads it under a throw-away name, answers and unloads it.

    Exit code 0 where it is ready for all of them, 1 where not, 5 where nobody can tell.
    """
    name = session.client.versions.get(find_reference(session, reference)).name
    if not releases:
        releases = [each.release for each in session.client.readiness.list(name)]
    if not releases:
        ref = output.path_of(name)
        raise click.UsageError(
            f"For which release of Triton? Nobody has asked about {ref} yet. Name one: "
            f"hallmark ready {ref} --triton {_newest(session)}"
        )
    target = _target(probe, releases) if probe.url else None
    reports = [_wait(session, name, each) for each in releases]
    probes = _probe_version(session, name, reports[0], target) if target else []
    _emit(session, output.path_of(name), reports, probes, config=config, diff=diff)


@ready.command("check")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--triton",
    "releases",
    metavar="RELEASE",
    multiple=True,
    required=True,
    help="Such as 25.10; once for each.",
)
@click.option("--name", metavar="MODEL", default="", help="Its name in Triton; else the folder's.")
@click.option("--no-run", is_flag=True, help="Do not run the model.")
@click.option(
    "--bare",
    is_flag=True,
    help="Also where this machine has no Landlock or seccomp.",
)
@probe_options
@_report_options
@with_session
def check(
    session: Session,
    path: Path,
    releases: Sequence[str],
    name: str,
    no_run: bool,
    bare: bool,
    probe: ProbeFlags,
    config: bool,
    diff: bool,
) -> None:
    """Assess a local file or folder as a server would a version of it. Needs no server.

    With --probe a real Triton loads it under a throw-away name, answers and unloads it.

    Exit code 0 where it is ready for all releases, 1 where not, 5 where nobody can tell.
    """
    from registry.app.readiness import HinderedError, check_folder

    target = _target(probe, releases) if probe.url else None
    try:
        reports = check_folder(path, releases=releases, name=name, run=not no_run, bare=bare)
        probes = _probe(path, reports[0], target, name=name, bare=bare) if target else []
    except HinderedError as error:
        raise click.ClickException(str(error)) from error
    _emit(session, str(path), reports, probes, config=config, diff=diff)


def _target(flags: ProbeFlags, releases: Sequence[str]) -> ProbeTarget:
    from registry.app import probing

    if len(releases) > 1:
        raise click.UsageError("--probe: a server is of one release; give --triton once.")
    if not flags.is_direct and flags.file is not None:
        return probing.configured(flags.file, flags.url)
    return probing.direct(
        flags.url,
        ca_file=flags.ca_file,
        certificate_file=flags.certificate_file,
        certificate_key_file=flags.certificate_key_file,
        key_files=flags.key_files,
        repository=flags.repository,
    )


def _probe_version(
    session: Session, name: str, report: Report, target: ProbeTarget
) -> list[ProbeResult]:
    """Of a version's bytes, fetched for the time that it takes."""
    version = session.client.versions.get(output.path_of(name))
    root = version.model.rpartition("/")[2]
    # One at the root has the name that its configuration states, and else the model's.
    named = next((each.name for each in report.models if not each.folder), root)
    with tempfile.TemporaryDirectory(prefix="hallmark-probe-") as made:
        folder = Path(made, root)
        session.client.pull(version.ref, folder, progress=session.progress)
        return _probe(folder, report, target, name=named, bare=False)


def _probe(
    path: Path, report: Report, target: ProbeTarget, *, name: str, bare: bool
) -> list[ProbeResult]:
    from registry.app import probing
    from registry.app.readiness import HinderedError

    # The library of gRPC tells of each connection that fails, beside what it returns.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Which is how a job is cancelled: what was loaded is unloaded then, as after Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return probing.probe_folder(path, report, target, name=name, bare=bare)
    except HinderedError as error:
        raise click.ClickException(str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, before)


@ready.command("releases")
@with_session
def list_releases(session: Session) -> None:
    """List the releases of Triton that the registry knows, the newest first."""
    found = session.client.readiness.releases()
    rows = ((each.name, each.server, each.onnxruntime, each.tensorrt) for each in found)
    session.emit(found, session.table(rows, ("release", "server", "onnx runtime", "tensorrt")))


def _newest(session: Session) -> str:
    known = session.client.readiness.releases()
    return known[0].name if known else "RELEASE"


def _wait(session: Session, name: str, release: str) -> Report:
    from registry.client.readiness import await_report

    try:
        return await_report(
            session.client.readiness,
            name,
            release,
            on_problem=lambda problem: session.note(f"  {problem}"),
        )
    except KeyboardInterrupt:
        session.note(f"\nIt is assessed without you. See it with:\n  {command_line()}")
        raise click.exceptions.Exit(exits.INTERRUPTED) from None


def _emit(
    session: Session,
    name: str,
    reports: Sequence[Report],
    probes: Sequence[ProbeResult] = (),
    *,
    config: bool,
    diff: bool,
) -> None:
    """Print the reports and what probes told, and exit by the worst of them."""
    from registry.domain.readiness import probe_to_document, report_to_document

    document: dict[str, Any] = {
        "reports": [{"readiness": each.readiness, **report_to_document(each)} for each in reports]
    }
    lines = _lines(name, reports, config=config, diff=diff)
    if probes:
        told = [{"readiness": each.readiness, **probe_to_document(each)} for each in probes]
        document["probes"] = told
    if not config and not diff:
        lines += [line for result in probes for line in probe_lines(result)]
    session.emit(document, lines)
    verdicts = {each.readiness for each in reports} | {each.readiness for each in probes}
    worst = next(
        each
        for each in (Readiness.NOT_READY, Readiness.UNKNOWN, Readiness.READY)
        if each in verdicts
    )
    raise click.exceptions.Exit(_EXITS[worst])


def _lines(name: str, reports: Sequence[Report], *, config: bool, diff: bool) -> list[str]:
    from registry.cli.ready_lines import report_lines

    if not config and not diff:
        return [line for report in reports for line in report_lines(name, report)]
    models = [model for report in reports[:1] for model in report.models]
    texts = [model.config_diff if diff else model.config for model in models]
    return [line for text in texts for line in text.splitlines()]
