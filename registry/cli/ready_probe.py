"""How a command is told of a Triton to probe on, and how the results read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from registry.cli import output
from registry.cli.ready_lines import VERDICTS, point_lines, run_line
from registry.domain.readiness import Latency, ProbeResult

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@dataclass(frozen=True, kw_only=True)
class ProbeFlags:
    """As they were given; `url` is empty where no probe is wanted."""

    #: Or a stage of the file.
    url: str = ""
    file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None
    key_files: Mapping[str, Path] = field(default_factory=dict)
    repository: Path | None = None

    @property
    def is_direct(self) -> bool:
        return "://" in self.url


class KeyFile(click.ParamType[tuple[str, Path]]):
    """`NAME=FILE`: a key never stands on the command line itself, where all users see it."""

    name = "name=file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        if isinstance(value, tuple):
            return value
        name, equals, path = value.partition("=")
        if not name or not equals:
            # Not shown: it may be the key.
            self.fail("found no '=', expected NAME=FILE, the file holding the key.", param, ctx)
        return name, Path(path)


def probe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets them as one argument `probe`."""

    @functools.wraps(function)
    def packed(
        *args: Any,
        probe: str,
        probes_file: Path | None,
        probe_ca: Path | None,
        probe_certificate: Path | None,
        probe_certificate_key: Path | None,
        probe_key: Sequence[tuple[str, Path]],
        probe_repository: Path | None,
        **options: Any,
    ) -> Any:
        flags = ProbeFlags(
            url=probe,
            file=probes_file,
            ca_file=probe_ca,
            certificate_file=probe_certificate,
            certificate_key_file=probe_certificate_key,
            key_files=dict(probe_key),
            repository=probe_repository,
        )
        _check(flags)
        return function(*args, probe=flags, **options)

    for option in reversed(_OPTIONS):
        packed = option(packed)
    return packed


_OPTIONS = (
    click.option(
        "--probe",
        metavar="URL|STAGE",
        default="",
        help="Let this Triton load and run it, too: grpc://HOST:PORT, grpcs:// where it takes TLS, "
        "or a stage of --probes-file. The model's code runs there.",
    ),
    click.option(
        "--probes-file",
        type=_FILE,
        envvar="HALLMARK_TRITON_PROBES_FILE",
        help="Which Triton stands for which stage; HALLMARK_TRITON_PROBES_FILE.",
    ),
    click.option("--probe-ca", type=_FILE, help="Authority of its certificate, in PEM."),
    click.option("--probe-certificate", type=_FILE, help="Of your own, in PEM."),
    click.option("--probe-certificate-key", type=_FILE, help="Its key, in PEM."),
    click.option(
        "--probe-key",
        type=KeyFile(),
        multiple=True,
        help="Key of a protocol that it restricts, by its name there; once for each.",
    ),
    click.option(
        "--probe-repository",
        type=_FOLDER,
        help="Folder of its model repository, for models of more than two gigabytes.",
    ),
)


def _check(flags: ProbeFlags) -> None:
    given = (
        flags.ca_file,
        flags.certificate_file,
        flags.certificate_key_file,
        flags.key_files,
        flags.repository,
    )
    if any(given) and not flags.is_direct:
        raise click.UsageError("--probe-... options go with --probe grpc://HOST:PORT.")
    if flags.url and not flags.is_direct and flags.file is None:
        raise click.UsageError(
            f"--probe: found {flags.url!r}, expected grpc://HOST:PORT, or a stage beside "
            "--probes-file."
        )
    if (flags.certificate_file is None) != (flags.certificate_key_file is None):
        raise click.UsageError("--probe-certificate and --probe-certificate-key: give both.")


def probe_lines(result: ProbeResult) -> Iterator[str]:
    version = f", version {result.server_version}" if result.server_version else ""
    yield (
        f"{result.model} probed on {result.address}{version}, for Triton {result.release}: "
        f"{VERDICTS[result.readiness]}"
    )
    yield from point_lines(result.points)
    rows = []
    if result.load_s:
        rows.append(("load", f"{result.load_s:.1f} s"))
    if result.runs:
        rows.append(("answers", "\n".join(map(run_line, result.runs))))
    if result.latencies:
        rows.append(("latency", "\n".join(map(_latency, result.latencies))))
    yield from output.details(rows)


def _latency(found: Latency) -> str:
    requests = output.counted(found.requests, "request")
    return (
        f"batch {found.batch}  p50 {found.p50_ms:.1f} ms  p99 {found.p99_ms:.1f} ms  ({requests})"
    )
