"""Which formats a version's files have, by their names alone.

What a name says is the registrant's word. Parsed facts take the place of this table once there are
parsers; until then a rule about formats keeps honest people from mistakes and nobody else out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: By what stands behind the last dot of the file's name in lower case.
_BY_ENDING = {
    ending: format
    for format, endings in {
        "safetensors": "safetensors",
        "gguf": "gguf",
        "onnx": "onnx",
        "pickle": "pkl pickle dill cloudpickle",
        "joblib": "joblib",
        "skops": "skops",
        "torch-pickle": "pt pth ckpt",
        "nemo": "nemo",
        "torch-archive": "mar",
        "keras": "keras",
        "hdf5": "h5 hdf5",
        "tflite": "tflite lite",
        "tensorflow-graph": "pb",
        "tensorflow-index": "index",
        "tensorflow-meta": "meta",
        "numpy": "npy npz",
        "rds": "rds rdata rda",
        "tensorrt": "plan engine trt",
        "executorch": "pte",
        "coreml": "mlmodel mlmodelc",
        "openvino": "xml",
        "native-code": "so dll dylib a lib o exe pyd wasm",
        "python-compiled": "pyc pyo",
        # What a double click, a browser or a Java machine runs.
        "foreign-code": (
            "bat cmd ps1 psm1 vbs vbe wsf hta js mjs jse scr com msi reg jar class jnlp lnk url "
            "desktop command service pyw php pl rb"
        ),
        "code": "py sh ipynb",
        "json": "json",
        "yaml": "yaml yml",
        "text": "md txt csv pbtxt tsv jsonl rst toml cff gitattributes gitignore",
        "sentencepiece": "spm",
        "tiktoken": "tiktoken",
        "archive": "zip tar tgz tbz2 txz 7z rar",
        "compressed": "gz bz2 xz lzma lz4",
        "image": "png jpg jpeg gif",
    }.items()
    for ending in endings.split()
}
#: Whole names, which say more than their ending.
_BY_NAME = {
    "adapter_model.bin": "torch-pickle",
    "training_args.bin": "torch-pickle",
    "saved_model.pb": "tensorflow",
    "keras_metadata.pb": "keras-metadata",
    # MLflow's, which is YAML; CoreML's has the same word for its ending.
    "mlmodel": "yaml",
    "saved_model.pbtxt": "tensorflow-text",
    **dict.fromkeys(("license", "licence", "notice", "copying", "authors", "readme"), "text"),
    **dict.fromkeys(("use_policy", "changelog", "version", "modelfile"), "text"),
    **dict.fromkeys(("tokenizer.model", "spiece.model", "spm.model"), "sentencepiece"),
    **dict.fromkeys(("sentencepiece.bpe.model", "sentencepiece.model"), "sentencepiece"),
}
#: Roles other than the format.
_ROLES_BY_NAME = {
    "saved_model.pbtxt": "tensorflow-text",
    # Of Triton: what it serves, and how.
    "config.pbtxt": "text",
    "fingerprint.pb": "tensorflow-fingerprint",
    "config.json": "config",
    "tokenizer_config.json": "tokenizer-config",
    "chat_template.json": "chat-template-json",
    "model_index.json": "pipeline-index",
    "readme.md": "card",
    "requirements.txt": "requirements",
    **dict.fromkeys(("sitecustomize.py", "usercustomize.py"), "startup-code"),
    **dict.fromkeys((".bashrc", ".bash_profile", ".profile", ".zshrc", ".envrc"), "startup-code"),
    **dict.fromkeys((".netrc", ".pypirc", "pip.conf", ".npmrc", ".condarc"), "startup-code"),
}
_ROLES_BY_ENDING = {
    **dict.fromkeys(("jinja", "jinja2", "j2"), "chat-template"),
    "ipynb": "notebook",
    "pbtxt": "graph-text",
    "py": "python",
}
#: Of onnx.backend.test and the ONNX model zoo, in folders test_data_set_0 and so on: tensors and
#: the like, though the ending says a graph.
_ONNX_SAMPLE = re.compile(r"(input|output)_[0-9]{1,9}\.pb")
_REQUIREMENTS = re.compile(r"requirements[-_.][a-z0-9_-]{1,40}\.txt")
#: Of whatever has no row above.
OTHER = "other"
#: An ending that says nothing of the format, but torch's files have it most.
_BIN = "bin"


def format_of(path: str) -> str:
    """The format of one file by the last part of its path."""
    name = path.rpartition("/")[2].casefold()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if _ONNX_SAMPLE.fullmatch(name):
        return "onnx-sample"
    if name.startswith("pytorch_model") and name.endswith(".bin"):
        return "torch-pickle"
    if name.endswith((".pth.tar", ".pt.tar", ".ckpt.tar")):
        # No tar: what PyTorch's first examples call a checkpoint.
        return "torch-pickle"
    if name.endswith((".tar.gz", ".tar.bz2", ".tar.xz")):
        return "archive"
    _, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(ending, OTHER) if dot else OTHER


def role_of(path: str) -> str:
    """What a file is to whoever loads the model: its format, or a finer name where one file of that
    format is read in another way than the rest, as `config.json` is.

    It is all that vetting goes by of a name.
    """
    name = path.rpartition("/")[2].casefold()
    ending = name.rpartition(".")[2]
    if _REQUIREMENTS.fullmatch(name):
        return "requirements"
    role = _ROLES_BY_NAME.get(name) or _ROLES_BY_ENDING.get(ending, format_of(path))
    return _BIN if role == OTHER and ending == _BIN else role


def formats_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Each format once, sorted."""
    return tuple(sorted({format_of(path) for path in paths}))
