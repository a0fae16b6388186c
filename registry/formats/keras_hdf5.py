"""What Keras keeps in an HDF5 file: a legacy model with its configuration, or weights alone.

Source: keras/src/legacy/saving/legacy_h5_format.py and saving_utils.py. Loading a legacy model
makes an object of each class that `model_config` and `training_config` name, and names without a
module are those of `keras.layers`, whatever they are there. So they are held to the list of a
`.keras` file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.formats import strict_json
from registry.formats.keras_configs import JSON_BYTES_MAX, check_config
from registry.formats.look import Look, Rule, SpentError, quoted

_SAVE = "Build the model of Keras's own layers, save it with model.save, and push a new version."
ATTRIBUTE = Rule(
    "KERAS-6",
    "Configurations in an HDF5 file are one text each, a JSON object with no key twice.",
    _SAVE,
)
WEIGHTS = Rule(
    "KERAS-7", "layer_names and weight_names list groups and datasets that are there.", _SAVE
)
RULES = (ATTRIBUTE, WEIGHTS)

#: Those of the root from which Keras makes objects.
_MODEL, _TRAINING = "model_config", "training_config"
#: Of one text each, told as facts.
_TOLD = ("keras_version", "backend")
#: Lists that are too long for one attribute are cut in numbered pieces.
_LISTS = re.compile(r"(layer_names|weight_names)([0-9]*)", re.ASCII)


@dataclass(frozen=True)
class Object:
    is_group: bool
    #: Texts of its attributes by their name; none of those that hold something else.
    texts: Mapping[str, tuple[bytes, ...]]


def check(look: Look, objects: Mapping[str, Object]) -> None:
    """Facts: `keras_version` and `backend`, where they are texts. `objects` by their path, the root
    by an empty one."""
    root = objects[""].texts
    for name in (_MODEL, _TRAINING):
        if name in root:
            config = _object(look, name, root[name])
            if config is not None:
                check_config(look, config, is_legacy=True, needs_class=name == _MODEL)
    for path in ("", "model_weights"):
        for name in _TOLD:
            texts = objects[path].texts.get(name, ()) if path in objects else ()
            if len(texts) == 1 and name not in look.facts:
                look.facts[name] = texts[0].decode("utf-8", "replace")
    for path, each in objects.items():
        _check_lists(look, objects, path, each)


def _object(look: Look, name: str, texts: tuple[bytes, ...]) -> Mapping[str, Any] | None:
    if len(texts) != 1:
        look.refuse(ATTRIBUTE, f"{name}: found {len(texts)} texts, expected one")
        return None
    if len(texts[0]) > JSON_BYTES_MAX:
        raise SpentError(f"its {name} is longer than what is looked at")
    try:
        found = strict_json.loads(texts[0])
    except strict_json.JsonError as error:
        look.refuse(ATTRIBUTE, f"{name}: {error}")
        return None
    if not isinstance(found, dict):
        look.refuse(ATTRIBUTE, f"{name}: found {quoted(found)}, expected an object")
        return None
    return found


def _check_lists(look: Look, objects: Mapping[str, Object], path: str, each: Object) -> None:
    for name, texts in each.texts.items():
        match = _LISTS.fullmatch(name)
        if match is None or not each.is_group:
            continue
        wants_group = match[1] == "layer_names"
        for text in texts:
            look.budget.step()
            inner = text.decode("utf-8", "replace")
            found = objects.get(f"{path}/{inner}" if path else inner)
            if found is None or found.is_group != wants_group:
                look.doubt(
                    WEIGHTS,
                    f"{quoted(f'/{path}')}: found {quoted(inner)} in {name}, expected a "
                    f"{'group' if wants_group else 'dataset'} of this name",
                )
