"""Keras 3's .keras: a zip of metadata.json, config.json, weights and assets.

Source: keras/src/saving/saving_lib.py and serialization_lib.py. Loading imports the `module` of
each object of config.json, takes `class_name` from it and calls that; what it refuses to call by
list was gone round three times (CVE-2025-1550: any function by its module; CVE-2025-8747 and
-9906: functions of Keras that download, load or switch safe mode off; CVE-2025-12058: lookup layers
that read the file or URL which their vocabulary names). Here classes are allowed by list, and no
value may be a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from registry.formats import strict_json, zip_container
from registry.formats.keras_classes import CLASSES, MARKERS
from registry.formats.look import Look, Rule, SpentError, StopLooking, quoted
from registry.formats.source import Source

JSON_BYTES_MAX = 64 * 1024 * 1024
_CONFIG, _METADATA = "config.json", "metadata.json"
_WEIGHTS = re.compile(r"model(\.weights|_[0-9]{5})?\.(h5|weights\.h5|weights\.json)")

_SAVE = "Build the model of Keras's own layers, save it with model.save, and push a new version."
MEMBERS = Rule(
    "KERAS-1",
    "A .keras file has one metadata.json, one config.json, weights, and else only assets.",
    _SAVE,
)
JSON = Rule("KERAS-2", "config.json and metadata.json are JSON objects, with no key twice.", _SAVE)
CLASS = Rule(
    "KERAS-3",
    "Each object of the configuration is of a class of Keras that computes: no Lambda, no "
    "function, no class of others.",
    _SAVE,
)
PATH = Rule(
    "KERAS-4",
    "No setting is a path or an address, and vocabularies are lists.",
    "Give the vocabulary as a list, save the model again, and push a new version.",
)
OPERATION = Rule(
    "KERAS-5",
    "Operations outside of layers are known.",
    "Put operations on tensors into layers of Keras, and save the model again.",
)
RULES = (MEMBERS, JSON, CLASS, PATH, OPERATION)

_OPERATION = re.compile(r"keras\.src\.ops\.[a-z]+", re.ASCII)
_OPERATION_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*", re.ASCII)
#: From the root, of another folder, of a drive or a share, of the user's home, or of a scheme.
_PATH = re.compile(r"\s*[/\\~]|(?:.*[/\\])?\.\.(?:[/\\]|\Z)|.*://|[A-Za-z]:[/\\]|.*\\", re.DOTALL)
_PATH_KEYS = frozenset(
    ("vocabulary", "idf_weights", "path", "filepath", "filename", "file", "url", "origin", "uri")
)
#: Stands for the key of what a list of words holds: words may look like anything.
_WORDS = " words"
#: Of objects of these keys Keras asks for the module, whatever else they hold.
_MODULE_KEYS = frozenset(("module", "fn_module", "fn_name", "registered_name", "function_type"))


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


def check_config(look: Look, config: object) -> bool:
    """Whether a configuration is sound: all of its objects and texts, whatever it calls them."""
    is_sound = isinstance(config, dict) and "class_name" in config
    if not is_sound:
        look.refuse(CLASS, "found a configuration without a class")
    pending: list[tuple[str, Any]] = [("", config)]
    while pending:
        key, value = pending.pop()
        look.budget.step()
        if isinstance(value, dict):
            is_sound &= _check_object(look, value)
            pending += value.items()
        elif isinstance(value, list):
            inner = _WORDS if key == "vocabulary" else ""
            pending += [(inner, each) for each in value]
        elif key == _WORDS:
            continue
        elif isinstance(value, str) and (key in _PATH_KEYS or _PATH.match(value)):
            look.refuse(PATH, f"found {quoted(key)}: {quoted(value)}")
            is_sound = False
    return is_sound


def _check_object(look: Look, value: Mapping[str, Any]) -> bool:
    if "class_name" not in value:
        # Keras makes an object of what has both a class and a config, and of nothing else.
        if value.keys() & _MODULE_KEYS:
            look.refuse(CLASS, f"found a module without a class: {quoted(dict(value))}")
            return False
        return True
    name, module = value["class_name"], value.get("module")
    registered = value.get("registered_name")
    said = f"found {quoted(module)}, {quoted(name)}, registered as {quoted(registered)}"
    if not isinstance(name, str) or not isinstance(module, str | None):
        look.refuse(CLASS, said)
        return False
    if module is None and name in MARKERS and registered is None:
        return True
    if registered in (None, name) and module is not None:
        if (module, name) in CLASSES:
            return True
        if _OPERATION.fullmatch(module) and _OPERATION_CLASS.fullmatch(name):
            look.doubt(OPERATION, said)
            return False
    look.refuse(CLASS, said)
    return False


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
