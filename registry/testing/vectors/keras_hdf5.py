"""Legacy models of Keras in HDF5, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from registry.testing.vectors import Vector
from registry.testing.vectors import hdf5_writing as w
from registry.testing.vectors.hdf5_writing import Image

_TRAINING = {
    "loss": "mse",
    "metrics": [{"class_name": "MeanMetricWrapper", "config": {"fn": "mean_absolute_error"}}],
    "optimizer_config": {"class_name": "Custom>Adam", "config": {"learning_rate": 0.001}},
}


def layer(name: str, **config: object) -> Mapping[str, object]:
    return {"class_name": name, "config": {"name": "a", "trainable": True, **config}}


def model(*layers: object) -> Mapping[str, object]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


def legacy(
    config: object,
    training: object = None,
    *more: w.Message,
    layers: tuple[str, ...] = ("a",),
    weights: tuple[str, ...] = ("a/kernel:0", "a/bias:0"),
) -> bytes:
    """As `save_model_to_hdf5` writes it: a layer `a` with a kernel and a bias."""
    image = Image()
    kernel, bias = image.dataset(), image.dataset(w.floats(3), (3,))
    inner = image.group({"bias:0": bias, "kernel:0": kernel})
    group = image.group({"a": inner}, w.names("weight_names", *weights))
    told = [image.texts("backend", "jax"), image.texts("keras_version", "3.15.1")]
    top = image.group({"a": group}, w.names("layer_names", *layers), *told)
    configs = [("model_config", config), ("training_config", training)]
    texts = [
        image.texts(name, value if isinstance(value, str) else json.dumps(value))
        for name, value in configs
        if value is not None
    ]
    told = [image.texts("backend", "tensorflow"), image.texts("keras_version", "2.15.0")]
    return image.done(image.group({"model_weights": top}, *told, *texts, *more))


_DENSE = layer("Dense", units=3, activation="relu")


def _good(name: str, data: bytes) -> Vector:
    return Vector(name=name, path="model.h5", data=data)


def _bad(name: str, rule: int, data: bytes, *, fails: bool = True) -> Vector:
    return Vector(name=name, path="model.h5", data=data, rule=f"KERAS-{rule}", fails=fails)


def _metric(function: object) -> Mapping[str, object]:
    return {"metrics": [{"class_name": "MeanMetricWrapper", "config": {"fn": function}}]}


_LAMBDA = layer("Lambda", function=["4wEAAAA=", None, None], function_type="lambda")
_CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
_NUMBER = w.attribute("model_config", w.INT8, w.space(), b"1")
_SYSTEM = {"class_name": "function", "config": "system", "module": "os"}

VECTORS = (
    _good("legacy-model", legacy(model(_DENSE), _TRAINING)),
    _good("legacy-weights", legacy(None)),
    _good("tensor-shape", legacy(model(layer("Dense", shape={"class_name": "TensorShape"})))),
    _bad("lambda", 3, legacy(model(_DENSE, _LAMBDA))),
    _bad("code-alone", 3, legacy(model(layer("Dense", activation=_CODE)))),
    _bad("function-of-os", 3, legacy(model(layer("Dense", activation=_SYSTEM)))),
    _bad("class-of-layers-module", 3, legacy(model(layer("TFSMLayer")))),
    _bad("unknown-class", 3, legacy(model(layer("Custom>Dense")))),
    _bad("no-class", 3, legacy({})),
    _bad("unknown-optimizer", 3, legacy(None, {"optimizer_config": layer("Custom>Acme")})),
    _bad("unknown-metric", 3, legacy(None, _metric("load_model"))),
    _bad("metric-of-os", 3, legacy(None, _metric(["system"]))),
    _bad("type-spec", 3, legacy(model(layer("Dense", x={"class_name": "TypeSpec"})))),
    _bad("vocabulary-file", 4, legacy(model(layer("StringLookup", vocabulary="words.txt")))),
    _bad("any-operation", 5, legacy(model(layer("TFOpLambda", function="a.b"))), fails=False),
    _bad("configuration-no-json", 6, legacy("{'class_name': 'Sequential'}")),
    _bad("configuration-of-list", 6, legacy("[]")),
    _bad("key-twice", 6, legacy('{"class_name": "Sequential", "class_name": "Lambda"}')),
    _bad("two-configurations", 6, legacy(None, None, w.names("model_config", "{}", "{}"))),
    _bad("number-as-configuration", 6, legacy(None, None, _NUMBER)),
    _bad("layer-not-there", 7, legacy(None, layers=("b",)), fails=False),
    _bad("weights-not-there", 7, legacy(None, weights=("a/gamma:0",)), fails=False),
    _bad("group-as-weights", 7, legacy(None, weights=("a",)), fails=False),
)
