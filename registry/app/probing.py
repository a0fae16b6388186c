"""Probing: which servers there are to probe on, and what one makes of the models of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from registry.app.readiness import model_folder
from registry.clock import SystemClock
from registry.config import Settings
from registry.domain.readiness import ProbeResult, Report, TritonRelease, Weight
from registry.errors import InvalidFieldError
from registry.jail.process import NoJailError
from registry.names.text import show
from registry.ports.readiness import HinderedError
from registry.serving import probe_rules
from registry.serving.candidates import Candidate, CandidateError, candidates, in_order, tops
from registry.serving.points import point
from registry.serving.probe import probe
from registry.serving.probe_file import read_probes
from registry.serving.probe_target import ProbeTarget, check_key_name, parse_url
from registry.serving.releases import release, shipped_releases

__all__ = ["HinderedError", "ProbeTarget", "configured", "direct", "probe_folder", "targets_of"]


def targets_of(settings: Settings) -> Mapping[str, ProbeTarget]:
    """By stage. Raises StartError for a file that cannot be used."""
    file = settings.triton_probes_file
    return {} if file is None else read_probes(file)


def configured(file: Path, stage: str) -> ProbeTarget:
    """The server that stands for a stage. Raises StartError for a file that cannot be used, and
    InvalidFieldError for a stage that it does not have."""
    known = read_probes(file)
    if stage in known:
        return known[stage]
    raise InvalidFieldError(
        field="probe",
        found=show(stage),
        expected=f"one of {', '.join(known)}, or grpc://HOST:PORT",
        fix=f"Name one of these, or add the stage to {file}.",
    )


def direct(
    url: str,
    *,
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    certificate_key_file: Path | None = None,
    key_files: Mapping[str, Path] | None = None,
    repository: Path | None = None,
) -> ProbeTarget:
    """A server by its address. Raises InvalidFieldError for what is none."""
    host, port, is_tls = parse_url(url)
    return ProbeTarget(
        host=host,
        port=port,
        is_tls=is_tls,
        ca_file=ca_file,
        certificate_file=certificate_file,
        key_file=certificate_key_file,
        key_files={check_key_name(name): path for name, path in (key_files or {}).items()},
        repository=repository,
    )


def probe_folder(
    path: Path, report: Report, target: ProbeTarget, *, name: str = "", bare: bool = False
) -> list[ProbeResult]:
    """What the server makes of a file or folder that a report is about: a result for each model
    that is no part of another. `name`, `bare`: as they were given for the report. HinderedError
    where the jail that the requests are made in cannot be closed; InvalidFieldError for a release
    that is not known."""
    known = release(shipped_releases(), report.release)
    asked = TritonRelease(name=known.name, server=known.server, onnxruntime=known.onnxruntime)
    now_s = SystemClock().now_us() // 1_000_000
    with model_folder(path) as folder:
        root = name or path.resolve().stem
        try:
            found = candidates(folder, report, name=root, bare=bare)
        except NoJailError as error:
            raise HinderedError(str(error)) from error
        except CandidateError as error:
            return [_unasked(model.name, report, target, str(error)) for model in report.models]
        return [
            *(probe(target, each, asked, now_s=now_s) for each in _probed(found)),
            *(
                _unasked(model.name, report, target, "its config.pbtxt cannot be read")
                for model in report.models
                if model.name not in found
            ),
        ]


def _probed(found: Mapping[str, Candidate]) -> Sequence[Sequence[Candidate]]:
    return [in_order(name, found) for name in tops(found)]


def _unasked(model: str, report: Report, target: ProbeTarget, reason: str) -> ProbeResult:
    found = point(
        probe_rules.ASKED, Weight.DOUBTS, "the model", f"it was not probed: {reason}", "a probe"
    )
    return ProbeResult(model=model, address=target.address, release=report.release, points=(found,))
