"""Which formats a version's files have, by their names alone.

What a name says is the registrant's word. Parsed facts take the place of this table once there are
parsers; until then a rule about formats keeps honest people from mistakes and nobody else out.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

#: Pattern of the file's name in lower case, and its format; the first that fits counts.
_TABLE = (
    ("*.safetensors", "safetensors"),
    ("*.gguf", "gguf"),
    ("*.onnx", "onnx"),
    ("*.pkl", "pickle"),
    ("*.pickle", "pickle"),
    ("*.dill", "pickle"),
    ("*.cloudpickle", "pickle"),
    ("*.joblib", "joblib"),
    ("*.skops", "skops"),
    ("*.pt", "torch-pickle"),
    ("*.pth", "torch-pickle"),
    ("*.ckpt", "torch-pickle"),
    ("pytorch_model*.bin", "torch-pickle"),
    ("adapter_model.bin", "torch-pickle"),
    ("training_args.bin", "torch-pickle"),
    ("*.nemo", "nemo"),
    ("*.mar", "torch-archive"),
    ("*.keras", "keras"),
    ("*.h5", "hdf5"),
    ("*.hdf5", "hdf5"),
    ("saved_model.pb", "tensorflow"),
    ("*.tflite", "tflite"),
    ("*.npy", "numpy"),
    ("*.npz", "numpy"),
    ("*.rds", "rds"),
    ("*.plan", "tensorrt"),
    ("*.engine", "tensorrt"),
    ("*.pte", "executorch"),
    ("*.mlmodel", "coreml"),
    ("*.so", "native-code"),
    ("*.dll", "native-code"),
    ("*.dylib", "native-code"),
    ("*.py", "code"),
    ("*.pyc", "code"),
    ("*.sh", "code"),
    ("*.ipynb", "code"),
    ("*.json", "json"),
    ("*.yaml", "yaml"),
    ("*.yml", "yaml"),
    ("*.md", "text"),
    ("*.txt", "text"),
    ("*.csv", "text"),
    ("*.pbtxt", "text"),
    ("*.zip", "archive"),
    ("*.tar", "archive"),
    ("*.tar.gz", "archive"),
    ("*.tgz", "archive"),
    ("*.7z", "archive"),
)
#: Of whatever the table has no row for.
OTHER = "other"


def format_of(path: str) -> str:
    """The format of one file by the last part of its path."""
    name = path.rpartition("/")[2].casefold()
    return next((format for pattern, format in _TABLE if fnmatchcase(name, pattern)), OTHER)


def formats_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Each format once, sorted."""
    return tuple(sorted({format_of(path) for path in paths}))
