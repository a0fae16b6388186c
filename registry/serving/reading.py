"""What the files of a folder say, without running any: a report for each release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from registry.domain.file_formats import role_of
from registry.domain.readiness import ModelReport, Point, Report, Signature, Weight
from registry.formats.look import Rule
from registry.serving import config_rules, engines, ensembles, onnx_rules
from registry.serving.config_completing import ENSEMBLE, ONNXRUNTIME, completed
from registry.serving.config_fields import is_known
from registry.serving.ensembles import Member
from registry.serving.generating import difference, generate
from registry.serving.models import FolderModel, RootName, models_of
from registry.serving.onnx_model import OnnxModel, UnreadableError, read_model
from registry.serving.onnx_rules import Runtime
from registry.serving.pbtxt import parse
from registry.serving.points import point
from registry.serving.releases import Release
from registry.serving.repository import Layout
from registry.serving.samples import FOLDER as GOLDEN
from registry.serving.work_folder import sizes_below

MEASURED = Rule(
    "READY-2",
    "What the release's ONNX Runtime knows was measured.",
    "Ask for a release whose ONNX Runtime was measured.",
)
RULES = (MEASURED,)
#: What a flat version holds beside its model, and no backend reads.
_BESIDE = frozenset({"card", "image", "notebook", "requirements", "foreign-code"})


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A model that was read, whatever the release."""

    model: FolderModel
    #: Of the version that is served; None for what is no ONNX, and where it cannot be read.
    onnx: OnnxModel | None
    #: All versions of it that can be read.
    versions: Sequence[OnnxModel]
    #: The beginnings of files of other backends.
    heads: Mapping[str, bytes]
    points: Sequence[Point]
    #: As a session tells it; None where none was asked.
    told: Signature | None = None

    @property
    def signature(self) -> Signature | None:
        return self.told or (self.onnx.signature if self.onnx else None)

    @property
    def message(self) -> Any:
        """The configuration with what Triton fills in; None where it cannot be read."""
        config = self.model.config
        if config is None:
            return None
        return completed(config.message, self.model.place, self.signature)


class Reader:
    """`runtimes` are what versions of ONNX Runtime know, as far as it was measured. Whatever it
    needs of our own is read when it is made."""

    def __init__(
        self, releases: Sequence[Release], runtimes: Mapping[str, Runtime], root: RootName
    ) -> None:
        self._releases = releases
        self._runtimes = runtimes
        self._root = root
        #: Of one folder, what does not depend on what sessions tell.
        self._found: tuple[list[_Read], list[Point]] | None = None
        is_known("ModelConfig", "name", "")

    def reports(self, top: str, told: Sequence[Signature | None] = ()) -> list[Report]:
        """One for each release, in their order, of the one folder that this is asked about. `told`
        are signatures of its models as sessions tell them."""
        if self._found is None:
            self._found = _read_all(Path(top), self._root)
        read, points = self._found
        if told:
            read = [replace(each, told=one) for each, one in zip(read, told, strict=True)]
        together = _ensembles(read)
        return [
            Report(
                release=release.name,
                onnxruntime=release.onnxruntime,
                models=tuple(
                    self._model(each, release, together[each.model.place.name]) for each in read
                ),
                points=tuple(points),
            )
            for release in self._releases
        ]

    def _model(self, read: _Read, release: Release, together: Iterable[Point]) -> ModelReport:
        model, place = read.model, read.model.place
        config = _generated(read, release)
        text = model.text if model.has_config else config
        return ModelReport(
            name=place.name,
            folder=place.folder,
            backend=_backend(read, is_generated=bool(config)),
            config=text,
            is_config_generated=not model.has_config,
            config_diff=_diff(read, config),
            files=_files(read),
            signature=read.signature,
            points=(*read.points, *together, *self._of_release(read, release, config)),
        )

    def _of_release(self, read: _Read, release: Release, generated: str) -> Iterator[Point]:
        for version in read.versions:
            yield from self._of_runtime(version, release.onnxruntime)
        model = read.model
        if model.config is None:
            return
        is_own = model.has_config or not generated
        config = model.config if is_own else parse(generated.encode())
        message = completed(config.message, model.place, read.signature)
        if message.backend == ONNXRUNTIME and read.onnx is None and read.model.onnx:
            # What cannot be read is told; what its configuration has to fit is not known.
            return
        if model.has_config or generated:
            yield from config_rules.check(
                config,
                read.signature,
                model.place,
                release,
                is_known,
                is_inferred=read.told is not None,
            )
        if message.backend not in (ONNXRUNTIME, ENSEMBLE):
            yield from engines.check(model.place, config, message, read.heads, release)

    def _of_runtime(self, read: OnnxModel, version: str) -> Sequence[Point]:
        runtime = self._runtimes.get(version)
        if runtime is not None:
            return onnx_rules.check(read, runtime)
        known = ", ".join(self._runtimes) or "none"
        return [
            point(
                MEASURED,
                Weight.DOUBTS,
                subject="ONNX Runtime",
                found=f"found version {version}",
                expected=f"one that was measured: {known}",
                path=read.path,
            )
        ]


def _read_all(top: Path, root: RootName) -> tuple[list[_Read], list[Point]]:
    sizes = sizes_below(str(top))
    found, points = models_of(top, sizes, root)
    return [_read(top, model, sizes) for model in found], points


def _read(top: Path, model: FolderModel, sizes: Mapping[str, int]) -> _Read:
    points = [model.unreadable] if model.unreadable else []
    versions: list[OnnxModel] = []
    served = None
    for path in model.onnx.values():
        try:
            read = read_model(top, path, sizes)
        except UnreadableError as error:
            points.append(error.point)
            continue
        versions.append(read)
        points += read.points
        served = read if path == model.served else served
    return _Read(
        model=model, onnx=served, versions=versions, heads=_heads(top, model), points=points
    )


def _heads(top: Path, model: FolderModel) -> Mapping[str, bytes]:
    if model.config is None or model.onnx:
        return {}
    message = completed(model.config.message, model.place, None)
    heads = {}
    for way, count in engines.wanted(model.place, message).items():
        with open(top / model.place.files[way], "rb") as file:
            heads[way] = file.read(count)
    return heads


def _ensembles(read: Sequence[_Read]) -> Mapping[str, list[Point]]:
    found: defaultdict[str, list[Point]] = defaultdict(list)
    members = [
        Member(place=each.model.place, config=each.model.config, message=each.message)
        for each in read
    ]
    for name, each in ensembles.check(members):
        found[name].append(each)
    return found


def _generated(read: _Read, release: Release) -> str:
    """A config.pbtxt for an ONNX model; empty where none can be made."""
    if read.signature is None:
        return ""
    way = next(way for way, path in read.model.place.files.items() if path == read.model.served)
    return generate(read.model.place.name, read.signature, release, filename=way.partition("/")[2])


def _diff(read: _Read, generated: str) -> str:
    config = read.model.config
    if not read.model.has_config or config is None or not generated:
        return ""
    return difference(config, generated, read.model.place, read.signature)


def _backend(read: _Read, *, is_generated: bool) -> str:
    message = read.message
    if message is None:
        return ""
    if message.HasField("ensemble_scheduling") or message.platform == ENSEMBLE:
        return ENSEMBLE
    return str(message.backend) or (ONNXRUNTIME if is_generated else "")


def _files(read: _Read) -> tuple[tuple[str, str], ...]:
    """What Triton is given: all files of a model's folder, of a flat version those alone that a
    backend may read, in the folder of the version's number."""
    place = read.model.place
    if place.layout not in (Layout.FLAT, Layout.EXPORT):
        return tuple(sorted(place.files.items()))
    return tuple(
        (f"{{version}}/{way.removeprefix('1/')}" if way.startswith("1/") else way, path)
        for way, path in sorted(place.files.items())
        if role_of(path) not in _BESIDE and f"/{GOLDEN}/" not in f"/{path}"
    )
