"""Archives that are models, archives that are refused, and archives in archives."""

from __future__ import annotations

import gzip

from registry.testing.vectors import Vector
from registry.testing.vectors.tar import END, TENSORS, file
from registry.testing.vectors.zip_container import A, Part, zip_file

_SEVEN = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24)
_RAR = b"Rar!\x1a\x07\x01\0" + bytes(24)


def nested(depth: int) -> bytes:
    """A zip in as many others."""
    data = zip_file(A)
    for _ in range(depth):
        data = zip_file(Part(name=b"a.zip", data=data, is_deflated=True))
    return data


def nemo(config: str) -> bytes:
    """A model of this configuration, and nothing else."""
    return file("model_config.yaml", config.encode()) + END


VECTORS = (
    Vector(name="three-deep", path="models.zip", data=nested(2)),
    Vector(
        name="tar-in-zip", path="models.zip", data=zip_file(Part(name=b"a.tar", data=file() + END))
    ),
    Vector(
        name="zip-in-tar", path="models.tar.gz", data=gzip.compress(file("a.zip", nested(1)) + END)
    ),
    Vector(name="four-deep", path="models.zip", data=nested(3), rule="FILE-4"),
    Vector(name="forty-deep", path="models.zip", data=nested(40), rule="FILE-4"),
    Vector(name="7z", path="model.7z", data=_SEVEN, rule="ARCHIVE-1"),
    Vector(name="7z", path="pytorch_model.bin", data=_SEVEN, rule="ARCHIVE-1"),
    Vector(
        name="7z-in-zip",
        path="a.zip",
        data=zip_file(Part(name=b"a.zip", data=_SEVEN)),
        rule="ARCHIVE-1",
    ),
    Vector(name="rar", path="model.rar", data=_RAR, rule="ARCHIVE-1"),
    Vector(name="no-config", path="model.nemo", data=file() + END, rule="NEMO-1"),
    Vector(name="gzip-of-no-tar", path="model.nemo", data=gzip.compress(TENSORS), rule="NEMO-1"),
    Vector(name="no-manifest", path="model.mar", data=zip_file(A), rule="MAR-1"),
    Vector(
        name="broken-member",
        path="models.tar",
        data=file(data=TENSORS + b"x") + END,
        rule="SAFETENSORS-6",
    ),
    Vector(
        name="wrong-crc-in-inner-zip",
        path="models.tar",
        data=file("a.zip", zip_file(Part(both={"crc32": 1}))) + END,
        rule="ZIP-7",
    ),
    *(
        Vector(name=name, path="model.nemo", data=nemo(text), rule="NEMO-2")
        for name, text in {
            "calls-os": "a:\n  _target_: os.system\n",
            "calls-through-nemo": "target: nemo.core.config.subprocess.Popen\n",
            "calls-in-flow-style": "a: {_target_: os.system}\n",
            "quoted-key": "'target' : os.system\n",
            "escaped-key": '"\\x5ftarget_": os.system\n',
            "alias-as-key": "a: &k target\n*k : os.system\n",
            "explicit-key": "? target\n: os.system\n",
            "tag": "a: !!python/object/apply:os.system [id]\n",
        }.items()
    ),
)
