"""Keras 3's .keras: a zip of metadata.json, config.json, weights and assets.

Source: keras/src/saving/saving_lib.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from registry.formats import keras_configs, strict_json, zip_container
from registry.formats.keras_configs import JSON_BYTES_MAX, check_config
from registry.formats.look import Look, Rule, SpentError, StopLooking, quoted
from registry.formats.source import Source

_CONFIG, _METADATA = "config.json", "metadata.json"
_WEIGHTS = re.compile(r"model(\.weights|_[0-9]{5})?\.(h5|weights\.h5|weights\.json)")

_SAVE = "Build the model of Keras's own layers, save it with model.save, and push a new version."
MEMBERS = Rule(
    "KERAS-1",
    "A .keras file has one metadata.json, one config.json, weights, and else only assets.",
    _SAVE,
)
JSON = Rule("KERAS-2", "config.json and metadata.json are JSON objects, with no key twice.", _SAVE)
RULES = (MEMBERS, JSON, *keras_configs.RULES)


def read(look: Look) -> None:
    """Facts: `keras_version`, where it is a text. Weights are looked at once all else is sound."""
    members = {member.name: member for member in zip_container.members(look)}
    others = members.keys() - {_CONFIG, _METADATA}
    weights = [name for name in others if _WEIGHTS.fullmatch(name)]
    missing = {_CONFIG, _METADATA} - members.keys()
    if missing or not weights:
        look.stop(MEMBERS, f"found no {', '.join(sorted(missing)) or 'weights'}")
    strange = [name for name in others if name not in weights and not name.startswith("assets/")]
    if strange:
        look.stop(MEMBERS, f"found {quoted(min(strange))}", offset=members[min(strange)].offset)
    version = _object(look, _METADATA, members[_METADATA].source).get("keras_version")
    if isinstance(version, str):
        look.facts["keras_version"] = version
    if not check_config(look, _object(look, _CONFIG, members[_CONFIG].source)):
        raise StopLooking
    for name in sorted(others):
        look.inside(name, members[name].source)


def _object(look: Look, name: str, source: Source) -> Mapping[str, Any]:
    if source.size_bytes > JSON_BYTES_MAX:
        raise SpentError(f"its {name} is longer than what is looked at")
    try:
        found = strict_json.loads(source.read(0, source.size_bytes))
    except strict_json.JsonError as error:
        look.stop(JSON, f"{name}: {error}")
    if not isinstance(found, dict):
        look.stop(JSON, f"{name}: found {quoted(found)}, expected an object")
    return found
