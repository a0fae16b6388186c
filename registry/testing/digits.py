"""A small real model for the demonstration: handwritten digits, a base and a fine-tune of it.

    python -m registry.testing.digits train base OUT
    python -m registry.testing.digits train finetune OUT --base BASE
    python -m registry.testing.digits predict FOLDER

`train` writes what a team would push: `model.onnx`, a model card, `metrics.json`, `params.json`;
and beside the folder the weights for the next fine-tune (`OUT.weights.npz`). `predict` runs the
held-back digits through ONNX Runtime and prints the accuracy. Data: the 1,797 digits that
scikit-learn brings (float32, (n, 64), values 0 to 16), of which 360 are never trained on.

Needs the extra `convert`.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path
from typing import Any

HELD_BACK = 360
OPSET = 21

CARD = """---
license: apache-2.0
library_name: onnx
pipeline_tag: image-classification
language: []
tags:
- digits
- scikit-learn
datasets:
- sklearn/digits
{base}---
# Handwritten digits, {title}

A multi-layer perceptron (64 -> 64 -> 10) for the 8x8 digits that come with scikit-learn, {how}.

Input `pixels`: float32, (batch, 64), values 0 to 16. Output `label`: int64, (batch,); output
`probabilities`: float32, (batch, 10).

Accuracy on {held_back} held-back digits: {accuracy:.4f}.
"""


def split() -> tuple[Any, Any, Any, Any]:
    """Pixels and labels for training, then those held back: (n, 64), (n,), (360, 64), (360,)."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    pixels, labels = digits.data.astype("float32"), digits.target
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, labels, test_size=HELD_BACK, random_state=0, stratify=labels
    )
    return train_x, train_y, test_x, test_y


def train(kind: str, out: Path, base: Path | None) -> dict[str, float]:
    """Fit, export, describe; the metrics that the card tells."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    train_x, train_y, test_x, test_y = split()
    # The base sees a third of the digits, and briefly, so that a fine-tune has something to gain.
    shown = len(train_x) // 3 if kind == "base" else len(train_x)
    parameters: dict[str, Any] = {
        "hidden_layer_sizes": (64,),
        "max_iter": 15 if kind == "base" else 60,
        "learning_rate_init": 1e-3,
        "batch_size": 64,
        "random_state": 0,
    }
    classifier = MLPClassifier(**parameters, warm_start=base is not None)
    with warnings.catch_warnings():
        # That it stops before convergence is the intention here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if base is not None:
            _start_from(classifier, base, train_x, train_y)
        classifier.fit(train_x[:shown], train_y[:shown])
    metrics = {
        "holdout.accuracy": float(classifier.score(test_x, test_y)),
        "train.loss": float(classifier.loss_),
    }
    out.mkdir(parents=True, exist_ok=True)
    _export(classifier, out / "model.onnx")
    _save_weights(classifier, out)
    told = {key: str(value) for key, value in parameters.items()} | {"train_size": str(shown)}
    (out / "params.json").write_text(json.dumps(told, indent=1) + "\n")
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    (out / "README.md").write_text(
        CARD.format(
            base="" if base is None else "base_model: digits/classifier\n",
            title=kind,
            how="trained on a third of the data"
            if base is None
            else "trained further on all of it",
            held_back=HELD_BACK,
            accuracy=metrics["holdout.accuracy"],
        )
    )
    return metrics


def _weights_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".weights.npz")


def _save_weights(classifier: Any, out: Path) -> None:
    import numpy

    arrays = {f"w{i}": w for i, w in enumerate(classifier.coefs_)}
    arrays |= {f"b{i}": b for i, b in enumerate(classifier.intercepts_)}
    numpy.savez(_weights_of(out), **arrays)


def _start_from(classifier: Any, base: Path, pixels: Any, labels: Any) -> None:
    """Let the next fit go on from the base's weights rather than from random ones."""
    import numpy

    max_iter = classifier.max_iter
    classifier.set_params(max_iter=1).fit(pixels[:100], labels[:100])
    classifier.set_params(max_iter=max_iter)
    with numpy.load(_weights_of(base), allow_pickle=False) as weights:
        classifier.coefs_ = [weights["w0"], weights["w1"]]
        classifier.intercepts_ = [weights["b0"], weights["b1"]]


def _export(classifier: Any, path: Path) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    model = to_onnx(
        classifier,
        initial_types=[("pixels", FloatTensorType([None, 64]))],
        options={id(classifier): {"zipmap": False}},
        target_opset=OPSET,
    )
    path.write_bytes(model.SerializeToString())


def predict(folder: Path) -> float:
    """Accuracy of `folder/model.onnx` on the held-back digits."""
    # ONNX Runtime's Linux wheels send telemetry unless told before the import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    _, _, pixels, labels = split()
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    found = session.run(["label"], {"pixels": pixels})[0]
    return float((found == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="A small real model for the demonstration.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="fit, export and describe a model")
    training.add_argument("kind", choices=("base", "finetune"))
    training.add_argument("out", type=Path)
    training.add_argument("--base", type=Path, help="folder of the base, for a fine-tune")
    predicting = commands.add_parser("predict", help="accuracy of a pulled folder")
    predicting.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.command == "predict":
        accuracy = predict(options.folder)
        print(f"accuracy on {HELD_BACK} held-back digits: {accuracy:.4f}")
        return
    if (options.kind == "finetune") != (options.base is not None):
        parser.error("a finetune needs --base, a base takes none")
    metrics = train(options.kind, options.out, options.base)
    accuracy = metrics["holdout.accuracy"]
    print(f"wrote {options.out}: accuracy {accuracy:.4f} on {HELD_BACK} held-back digits")


if __name__ == "__main__":
    main()
