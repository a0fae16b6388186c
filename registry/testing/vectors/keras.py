"""Keras 3's models, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from registry.testing.vectors import Vector
from registry.testing.vectors.hdf5 import EXTERNAL, SOUND
from registry.testing.vectors.zip_container import Part, zip_file

_METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}


def layer(name: str, module: str = "keras.layers", **config: object) -> Mapping[str, object]:
    return {
        "module": module,
        "class_name": name,
        "config": {"name": "a", "trainable": True, **config},
        "registered_name": None,
        "build_config": {"input_shape": [None, 3]},
    }


def model(*layers: object, **more: object) -> Mapping[str, object]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "m", "dtype": "float32", "layers": list(layers)},
        "registered_name": "Sequential",
        "compile_config": {"optimizer": "adam", "loss": "mse"},
        **more,
    }


def keras(config: object, *parts: Part) -> bytes:
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return zip_file(
        Part(name=b"metadata.json", data=json.dumps(_METADATA).encode()),
        Part(name=b"config.json", data=text),
        *parts,
    )


_DENSE = layer("Dense", units=3, activation="relu")
_H5 = Part(name=b"model.weights.h5", data=SOUND)


def _good(name: str, config: object) -> Vector:
    return Vector(name=name, path="model.keras", data=keras(config, _H5))


def _bad(name: str, rule: str, config: object, *parts: Part, fails: bool = True) -> Vector:
    data = keras(config, *(parts or (_H5,)))
    return Vector(name=name, path="model.keras", data=data, rule=rule, fails=fails)


def _layer(name: str, rule: str, bad: object) -> Vector:
    return _bad(name, f"KERAS-{rule}", model(_DENSE, bad))


_ADAM = {"module": "keras.optimizers.legacy", "class_name": "Adam", "config": {"name": "Adam"}}
_LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None}}
_LOAD = {"module": "keras.models", "class_name": "function", "config": "load_model"}
_SYSTEM = {"module": "os", "class_name": "function", "config": "system"}

VECTORS = (
    _good("sound", model(_DENSE)),
    _good("optimizer", model(_DENSE, compile_config={"optimizer": _ADAM})),
    _good("vocabulary-list", model(layer("StringLookup", vocabulary=["a", "/"]))),
    _bad(
        "weights-are-none",
        "FILE-1",
        model(_DENSE),
        Part(name=b"model.weights.h5", data=b"no weights"),
    ),
    _bad(
        "weights-lead-elsewhere",
        "HDF5-6",
        model(_DENSE),
        Part(name=b"model.weights.h5", data=EXTERNAL),
    ),
    _bad("no-weights", "KERAS-1", model(_DENSE), Part(name=b"assets/a.txt", data=b"a")),
    _bad("other-member", "KERAS-1", model(_DENSE), _H5, Part(name=b"layers.py", data=b"1")),
    _bad("no-object", "KERAS-2", b"[]"),
    _bad("key-twice", "KERAS-2", b'{"class_name": "Sequential", "class_name": "Lambda"}'),
    _bad("no-class", "KERAS-3", {}),
    _bad("foreign-model", "KERAS-3", model(_DENSE, module="acme.models", class_name="M")),
    _bad("custom-loss", "KERAS-3", model(_DENSE, compile_config={"loss": _SYSTEM})),
    _layer("lambda", "3", layer("Lambda", function=_LAMBDA)),
    _layer("lambda-code-alone", "3", layer("Dense", activation=_LAMBDA)),
    _layer("function-of-os", "3", layer("Dense", activation=_SYSTEM)),
    _layer("function-of-keras", "3", layer("Dense", activation=_LOAD)),
    _layer("class-of-os", "3", layer("_wrap_close", module="os")),
    _layer("safe-mode-off", "3", layer("enable_unsafe_deserialization", module="keras.config")),
    _layer("class-by-other-module", "3", layer("Dense", module="subprocess")),
    _layer("torch-module", "3", layer("TorchModuleWrapper", module_bytes="gAI=")),
    _layer("saved-model", "3", layer("TFSMLayer", call_endpoint="serve")),
    _layer("registered-name", "3", {**layer("Dense"), "registered_name": "acme>Dense"}),
    _layer("module-without-class", "3", layer("Dense", hook={"module": "os", "config": {}})),
    _layer("object-in-vocabulary", "3", layer("StringLookup", vocabulary=[_SYSTEM])),
    _layer("vocabulary-file", "4", layer("StringLookup", vocabulary="words.txt")),
    _layer("vocabulary-address", "4", layer("TextVectorization", vocabulary="http://a.test/v")),
    _layer("root-path", "4", layer("Dense", units="/etc/passwd")),
    _layer("path-in-list", "4", layer("Dense", units=["../../x"])),
    _bad(
        "operation",
        "KERAS-5",
        model(_DENSE, layer("GetItem", module="keras.src.ops.numpy")),
        fails=False,
    ),
)
