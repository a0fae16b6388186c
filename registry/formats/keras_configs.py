"""Configurations of Keras's models: which objects loading makes of them, and by which settings.

Source: keras/src/saving/serialization_lib.py, and keras/src/legacy/saving/serialization.py for
those of HDF5 files. Loading imports the `module` of each object, takes `class_name` from it and
calls that; what it refuses to call by list was gone round three times (CVE-2025-1550: any function
by its module; CVE-2025-8747 and -9906: functions of Keras that download, load or switch safe mode
off; CVE-2025-12058: lookup layers that read the file or URL which their vocabulary names). Here
classes are allowed by list, and no value may be a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from registry.formats.keras_classes import (
    CLASSES,
    LEGACY,
    LEGACY_METRIC,
    LEGACY_METRIC_FUNCTIONS,
    LEGACY_OPERATIONS,
    MARKERS,
)
from registry.formats.look import Look, Rule, quoted

JSON_BYTES_MAX = 64 * 1024 * 1024

_SAVE = "Build the model of Keras's own layers, save it with model.save, and push a new version."
CLASS = Rule(
    "KERAS-3",
    "Each object of the configuration is of a class of Keras that computes: no Lambda, no "
    "function, no class of others.",
    _SAVE,
    revision=2,
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
RULES = (CLASS, PATH, OPERATION)

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


def check_config(
    look: Look, config: object, *, is_legacy: bool = False, needs_class: bool = True
) -> bool:
    """Whether a configuration is sound: all of its objects and texts, whatever it calls them.

    In legacy ones classes have no module: each kind of object has names of its own.
    """
    is_sound = isinstance(config, dict) and ("class_name" in config or not needs_class)
    if not is_sound:
        look.refuse(CLASS, "found a configuration without a class")
    pending: list[tuple[str, Any]] = [("", config)]
    while pending:
        key, value = pending.pop()
        look.budget.step()
        if isinstance(value, dict):
            is_sound &= _check_object(look, value, is_legacy=is_legacy)
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


def _check_object(look: Look, value: Mapping[str, Any], *, is_legacy: bool) -> bool:
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
    is_own = registered in (None, name)
    if is_own and is_legacy and module is None:
        is_known = name in LEGACY or (name == LEGACY_METRIC and _is_metric(value.get("config")))
    else:
        is_known = is_own and (module, name) in CLASSES
    if is_known:
        return True
    if is_own and _is_operation(module, name, is_legacy=is_legacy):
        look.doubt(OPERATION, said)
        return False
    look.refuse(CLASS, said)
    return False


def _is_operation(module: str | None, name: str, *, is_legacy: bool) -> bool:
    if module is None:
        return is_legacy and name in LEGACY_OPERATIONS
    return bool(_OPERATION.fullmatch(module) and _OPERATION_CLASS.fullmatch(name))


def _is_metric(config: object) -> bool:
    function = config.get("fn") if isinstance(config, dict) else None
    return isinstance(function, str) and function in LEGACY_METRIC_FUNCTIONS
