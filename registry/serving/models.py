"""The models of a folder, each with its configuration and the files that its backend would load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from registry.domain.readiness import Point
from registry.serving.config_completing import ONNXRUNTIME, completed
from registry.serving.config_model import picked
from registry.serving.config_rules import unreadable
from registry.serving.pbtxt import CONFIG_BYTES_MAX, Config, PbtxtError, empty, parse
from registry.serving.repository import Layout, Place, places

#: Of a folder that can be made anywhere.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")
_ENDING = ".onnx"
_DEFAULT = "model.onnx"


@dataclass(frozen=True, kw_only=True)
class FolderModel:
    place: Place
    #: Its config.pbtxt; one that says nothing where there is none. None where it cannot be read.
    config: Config | None
    #: Its config.pbtxt as it lies there, or empty.
    text: str = ""
    #: Why it cannot be read.
    unreadable: Point | None = None
    #: Of each version of the model, by number, the ONNX file that is served, by its path in the
    #: folder. Empty for other backends.
    onnx: Mapping[int, str] = field(default_factory=dict)

    @property
    def has_config(self) -> bool:
        return bool(self.place.config_path)

    @property
    def served(self) -> str:
        """The ONNX file of the highest version, which is served where nobody says otherwise; empty
        without one."""
        return self.onnx[max(self.onnx)] if self.onnx else ""


@dataclass(frozen=True, kw_only=True)
class RootName:
    """What a model at the root of a folder is called."""

    name: str
    #: Whether that is the folder's own name, which a config.pbtxt has to repeat. Else the one that
    #: it states goes before, and is the folder's once the model is laid out for Triton.
    is_folder: bool


def models_of(
    top: Path, sizes: Mapping[str, int], root: RootName
) -> tuple[list[FolderModel], list[Point]]:
    """All models below the folder, `sizes` being those of its files by path, and what is wrong with
    how they lie."""
    found, points = places(sizes, root.name)
    models = [_model(top, place) for place in found]
    if not root.is_folder:
        models = [_as_it_says(each) for each in models]
    return models, points


def _as_it_says(model: FolderModel) -> FolderModel:
    """A model at the root under the name that its configuration states."""
    place, config = model.place, model.config
    stated = config.message.name if config is not None else ""
    if place.layout is Layout.REPOSITORY or not _NAME.fullmatch(stated):
        return model
    return replace(model, place=replace(place, name=stated))


def _model(top: Path, place: Place) -> FolderModel:
    config, text = empty(place.name), ""
    if place.config_path:
        with open(top / place.config_path, "rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
        text = data[:CONFIG_BYTES_MAX].decode(errors="replace")
        try:
            config = parse(data)
        except PbtxtError as error:
            wrong = unreadable(error, place)
            return FolderModel(place=place, config=None, text=text, unreadable=wrong)
    message = completed(config.message, place, None)
    return FolderModel(place=place, config=config, text=text, onnx=_onnx_files(place, message))


def _onnx_files(place: Place, message: Any) -> Mapping[int, str]:
    if message.backend not in ("", ONNXRUNTIME) or message.HasField("ensemble_scheduling"):
        return {}
    found = {}
    # What the policy leaves out, no backend is asked to load.
    for version in sorted({*picked(message, place)} & {*place.versions}):
        way = _served(place, version, message)
        if way:
            found[version] = place.files[way]
    return found


def _served(place: Place, version: int, message: Any) -> str:
    """What is loaded of a version of the model, by its way in Triton's folder; empty for nothing.

    Of files that are no part of a Triton model yet it is the one there is, whatever its name: the
    configuration that is generated for it says that.
    """
    name = f"{version}/{message.default_model_filename or _DEFAULT}"
    # A folder is taken for one that has model.onnx in it: onnxruntime_backend/src/onnxruntime.cc.
    for way in (name, f"{name}/{_DEFAULT}"):
        if way in place.files and way.endswith(_ENDING):
            return way
    if place.layout not in (Layout.FLAT, Layout.EXPORT) or place.config_path:
        return ""
    alone = [way for way in place.files if way.count("/") == 1 and way.endswith(_ENDING)]
    return alone[0] if len(alone) == 1 else ""
