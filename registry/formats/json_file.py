"""JSON files: settings of models and tokenizers, and what else is JSON.

A setting can be code: transformers imports the modules that `auto_map` names, sentence-transformers
those in `modules.json`, diffusers those in `model_index.json`, hydra what `_target_` names, and
jsonpickle what `py/object` names. So these keys are judged wherever in a JSON file they stand,
whatever its name.

Sources: transformers `dynamic_module_utils.py`, peft `auto.py`, sentence-transformers
`modules.json`, hydra "Instantiating objects", jsonpickle `tags.py`, keras `serialization_lib.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.formats import strict_json, template
from registry.formats.keras_classes import MARKERS
from registry.formats.look import Look, Rule, StopLooking, quoted
from registry.formats.nemo_targets import leads_elsewhere
from registry.formats.reaching import reaching

JSON_BYTES_MAX = 64 * 1024 * 1024
FACT_BYTES_MAX = 64_000

JSON = Rule(
    "JSON-1",
    "The file is JSON in UTF-8 without a key twice, nested not too deep.",
    "Write the file again with a JSON library, and push a new version.",
)
LARGE = Rule(
    "JSON-2",
    f"A JSON file has at most {JSON_BYTES_MAX:,} bytes.",
    "Keep data in a data format, and push a smaller file.",
)
REMOTE = Rule(
    "CONFIG-1",
    "No setting names code in another repository.",
    "Copy the code into this version, and name it without `--`.",
)
LOCAL = Rule(
    "CONFIG-2",
    "Settings that name code name a module of this version, as `module.Class`.",
    "Push the module's file with the version, or remove the setting.",
)
TRUST = Rule(
    "CONFIG-3",
    "No setting switches on that code is run: `trust_remote_code` is for who loads the model.",
    "Remove the setting.",
)
BUILDS = Rule(
    "CONFIG-4",
    "No value is an instruction to import, build or call something.",
    "Write the settings as plain values.",
)
TEMPLATE = Rule(
    "CONFIG-5",
    "`chat_template` is a text, or texts by name.",
    "Write the template as a text.",
)
PLACE = Rule(
    "CONFIG-6",
    "Files and folders that settings name lie in the version.",
    "Name them by their way from the settings' own folder, without `..`.",
)
RULES = (JSON, LARGE, REMOTE, LOCAL, TRUST, BUILDS, TEMPLATE, PLACE)

CONFIG_BYTES_MAX = 65_536

#: By which transformers finds code: `module.Class` for each class that it makes.
_CODE_KEYS = frozenset(("auto_map", "custom_pipelines", "custom_pipeline"))
#: By which transformers fetches machine code from a hub, where it has a slash.
_KERNEL_KEYS = frozenset(("attn_implementation", "_attn_implementation"))
#: Of a switch. In YAML values come as they are written.
_OFF = (None, False, "false", "False")
_OFF_IN_YAML = (*_OFF, "FALSE", "no", "No", "NO", "off", "Off", "OFF", "", "~", "null")
_MLFLOW = re.compile(r"mlflow(\.[a-z][a-z0-9_]*)*")
_ELSEWHERE = re.compile(r"[/~]|.*://|[A-Za-z]:|(?:.*[/\\])?\.\.(?:[/\\]|\Z)|.*\\", re.DOTALL)
_REFERENCE = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\.[A-Za-z_][A-Za-z0-9_]*"
)
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
#: Of jsonpickle, langchain and Keras.
_BUILDER_KEYS = frozenset(("lc", "_target_", "__reduce__", "__lambda__"))
#: Packages whose classes a setting may name; longest part that is safe as a whole.
_PACKAGES = (
    *("sentence_transformers.", "transformers.models.", "transformers.", "peft.", "diffusers."),
    *("torch.nn.", "torch.optim.", "nemo.collections.", "timm.models.", "pylate.models."),
)
#: Functions that compute, or make what computes.
_COMPUTES = re.compile(
    r"torch\.nn\.functional\.[a-z0-9_]+|transformers\.get_[a-z_]*schedule[a-z_]*"
)
#: Of `model_index.json`: what diffusers looks a class up in.
_LIBRARIES = frozenset(("diffusers", "transformers", "peft"))
#: What Keras builds a layer or function of code or of a file from.
_KERAS_CODE = frozenset(("Lambda", "__lambda__", "function", "TFSMLayer", "TorchModuleWrapper"))
#: Whose vocabulary may be the name of a file or an address, which is read (CVE-2025-12058).
_KERAS_TABLES = frozenset(("StringLookup", "IntegerLookup", "TextVectorization"))
_KERAS_PACKAGES = ("keras", "tensorflow.keras", "tf_keras", "keras_nlp", "keras_hub", "keras_cv")


def read(look: Look) -> None:
    """Facts where a file has them: `architectures`, `model_type`, `quantization_config`,
    `auto_map`, `custom_pipelines`, `code_present`, `base_model`, `chat_templates`; of a
    `config.json` all of it as `config`, unless it is long."""
    value = load(look)
    judge(look, value)
    if isinstance(value, dict):
        _note_facts(look, value)
        if look.role == "config" and look.source.size_bytes <= CONFIG_BYTES_MAX:
            look.facts["config"] = _finite(value)


def _finite(value: Any) -> Any:
    """The same, with words for numbers that JSON proper does not have."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    is_odd = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_odd else value


def read_template(look: Look) -> None:
    """`chat_template.json`: the template, or several by name."""
    value = load(look)
    judge(look, value)
    if not isinstance(value, dict) or not value:
        look.stop(TEMPLATE, f"found {quoted(value)}")
    for key, each in value.items():
        if key != "chat_template":
            _check_template(look, each, key)


def read_index(look: Look) -> None:
    """diffusers' `model_index.json`: each part by its library and class. Facts: `pipeline`."""
    value = load(look)
    judge(look, value)
    if not isinstance(value, dict):
        look.stop(BUILDS, f"found {quoted(value)}, expected an object")
    for key, each in value.items():
        if isinstance(each, list) and len(each) == 2 and any(each) and isinstance(each[0], str):
            _check_part(look, key, each)
    if isinstance(value.get("_class_name"), str):
        look.facts["pipeline"] = _plain(value["_class_name"])


def load(look: Look) -> Any:
    """The file's value. Peak memory: some twenty times its size for one of many small lists."""
    size_bytes = look.source.size_bytes
    if size_bytes > JSON_BYTES_MAX:
        look.doubt(LARGE, f"found {size_bytes} bytes")
        raise StopLooking
    try:
        return strict_json.loads(look.source.read(0, size_bytes), infinite=True)
    except strict_json.JsonError as error:
        look.stop(JSON, str(error), offset=error.position)


def judge(look: Look, value: object) -> None:
    """Look at every key of a value, at any depth."""
    for each in _objects(look, value):
        for key in each.keys() & _CODE_KEYS:
            _check_code(look, key, each[key])
        off = _OFF_IN_YAML if look.role == "yaml" else _OFF
        if each.get("trust_remote_code") not in off:
            look.refuse(TRUST, f"found trust_remote_code: {quoted(each['trust_remote_code'])}")
        if "chat_template" in each:
            _check_chat_template(look, each["chat_template"])
        _check_builders(look, each)
        _check_places(look, each)
    if look.role != "chat-template-json":
        _check_reaching(look, value)


def _check_places(look: Look, each: Mapping[str, Any]) -> None:
    """Of sharded weights and of sentence-transformers' modules; and kernels from elsewhere."""
    weights = each.get("weight_map")
    named = list(weights.values()) if isinstance(weights, dict) else []
    if "idx" in each and "type" in each:
        named.append(each.get("path"))
    for place in sorted({text for text in named if isinstance(text, str)}):
        if _ELSEWHERE.match(place):
            look.refuse(PLACE, f"found {quoted(place)}")
    for key in each.keys() & _KERNEL_KEYS:
        for text in _texts(each[key]):
            if "/" in text:
                look.refuse(REMOTE, f"{key}: found {quoted(text)}")


def _check_reaching(look: Look, value: object) -> None:
    """Texts that may be templates under names of somebody's own."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            # A chat template is looked at as one.
            waiting.extend(part for key, part in each.items() if key != "chat_template")
            for key, part in each.items():
                if isinstance(part, str) and key != "chat_template" and key.endswith("template"):
                    template.check_other(look, part, name=key)
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str) and (found := reaching(each)):
            look.refuse(template.HIDDEN, f"found {quoted(found)} in a template's braces")


def _objects(look: Look, value: object) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            look.budget.step(1 + len(each))
            yield each
            waiting.extend(inner for inner in each.values() if isinstance(inner, dict | list))
        elif isinstance(each, list):
            look.budget.step(1 + len(each))
            waiting.extend(inner for inner in each if isinstance(inner, dict | list))


def _texts(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _check_code(look: Look, key: str, value: object) -> None:
    if key == "custom_pipelines" and isinstance(value, dict):
        # Besides its `impl` a task names classes of transformers.
        value = [each.get("impl") if isinstance(each, dict) else each for each in value.values()]
    for text in _texts(value):
        look.budget.step()
        look.facts["code_present"] = True
        reference = _REFERENCE.fullmatch(text)
        if "--" in text or "://" in text:
            look.refuse(REMOTE, f"{key}: found {quoted(text)}")
        elif reference is None or not _has_module(look, reference[1]):
            look.refuse(LOCAL, f"{key}: found {quoted(text)}, and no such module in the version")


def _has_module(look: Look, module: str) -> bool:
    path = module.replace(".", "/") + ".py"
    return any(each == path or each.endswith("/" + path) for each in look.files)


def _check_template(look: Look, value: object, name: str) -> None:
    if isinstance(value, str):
        template.check(look, value.encode("utf-8", "replace"), name=name)
    else:
        look.refuse(TEMPLATE, f"{quoted(name)}: found {quoted(value)}")


def _check_chat_template(look: Look, value: object) -> None:
    if value is None:
        return
    if isinstance(value, list):
        for each in value:
            if not isinstance(each, dict) or not isinstance(each.get("name"), str):
                look.refuse(TEMPLATE, f"found {quoted(each)}, expected name and template")
                continue
            _check_template(look, each.get("template"), each["name"])
    elif isinstance(value, dict):
        for name, each in value.items():
            _check_template(look, each, name)
    else:
        _check_template(look, value, "")


def _check_builders(look: Look, each: Mapping[str, Any]) -> None:
    for key in each:
        if key.startswith("py/") or (key in _BUILDER_KEYS and key != "_target_"):
            look.refuse(BUILDS, f"found key {quoted(key)}")
    named = [("_target_", each.get("_target_"))]
    if "params" in each:
        named.append(("target", each.get("target")))
    if "parent_library" in each:
        named.append(("parent_library", f"{each['parent_library']}."))
    if "idx" in each and "path" in each:
        named.append(("type", each.get("type")))
    if "loader_module" in each and not _MLFLOW.fullmatch(str(each["loader_module"])):
        # MLflow imports it, from the version's own code or from whatever is installed.
        named.append(("loader_module", f"{each['loader_module']}.Model"))
    for key, value in named:
        if value is not None and not _is_known(look, key, value):
            look.refuse(BUILDS, f"{key}: found {quoted(value)}")
    if "class_name" in each and "config" in each:
        _check_keras(look, each)


def _is_known(look: Look, key: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    if key == "target" and not _DOTTED.fullmatch(value):
        # A word, such as a column of a table.
        return True
    if value.startswith(_PACKAGES) and _DOTTED.fullmatch(value.rstrip(".")):
        return _is_class(key, value)
    reference = _REFERENCE.fullmatch(value)
    known = reference is not None and _has_module(look, reference[1])
    if known:
        look.facts["code_present"] = True
    return known


def _is_class(key: str, value: str) -> bool:
    """Whether a name below a safe package is a class there: what looks names up goes through
    attributes, hence through whatever that package imports (`transformers.utils.hub.os.system`)."""
    parts = value.rstrip(".").split(".")
    is_class = key == "parent_library" or parts[-1][0].isupper() or _COMPUTES.fullmatch(value)
    return bool(is_class) and not leads_elsewhere(parts[1:])


def _check_keras(look: Look, each: Mapping[str, Any]) -> None:
    found, module = each["class_name"], each.get("module")
    # Of what is no text Keras makes nothing.
    class_name = found if isinstance(found, str) else ""
    own = module is None or (
        isinstance(module, str)
        and module.split(".")[0] in {p.split(".")[0] for p in _KERAS_PACKAGES}
    )
    # A module's functions have names in small letters: `get_file`, `load_model`.
    is_function = module is not None and class_name not in MARKERS and not class_name[:1].isupper()
    if class_name in _KERAS_CODE or not own or is_function:
        look.refuse(BUILDS, f"found class {quoted(found)} of module {quoted(module)}")
    config = each["config"]
    vocabulary = config.get("vocabulary") if isinstance(config, dict) else None
    if class_name in _KERAS_TABLES and isinstance(vocabulary, str):
        look.refuse(BUILDS, f"found a table of file or address {quoted(vocabulary)}")


def _check_part(look: Look, key: str, part: list[Any]) -> None:
    library, class_name = part
    sound = isinstance(class_name, str) and class_name.isidentifier()
    if "--" in f"{library}{class_name}" or "/" in library:
        look.refuse(REMOTE, f"{quoted(key)}: found {quoted(part)}")
    elif sound and library in _LIBRARIES:
        return
    elif sound and _has_module(look, library):
        look.facts["code_present"] = True
    elif (
        sound
        and library.isidentifier()
        and class_name.startswith(("Stable", "Paint", "IF", "Safety"))
        and not leads_elsewhere([library])
    ):
        # Modules of diffusers' own pipelines.
        return
    else:
        look.refuse(LOCAL, f"{quoted(key)}: found {quoted(part)}")


def _note_facts(look: Look, value: Mapping[str, Any]) -> None:
    names = {
        **{key: key for key in ("architectures", "model_type", "quantization_config", "auto_map")},
        "custom_pipelines": "custom_pipelines",
        "base_model_name_or_path": "base_model",
    }
    for key, fact in names.items():
        found = value.get(key)
        if found and len(repr(found)) <= FACT_BYTES_MAX:
            look.facts[fact] = _plain(found)


def _plain(value: Any) -> Any:
    """As a database keeps it: without NUL, halves of surrogates, and numbers that are none."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value
