"""requirements.txt: what names packages alone, and what names places."""

from __future__ import annotations

from registry.testing.vectors import Vector

_SOUND = """\
# What the model needs.
torch>=2.10,<3  # with CUDA
transformers[torch] == 5.0.*
numpy (>=1.26)
importlib-metadata ; python_version < "3.10"
scipy==1.17.0 \\
    --hash=sha256:0123456789abcdef
flash_attn

--extra-index-url https://download.pytorch.org/whl/cu128
-f https://download.pytorch.org/whl/torch_stable.html
-r requirements-base.txt
git+https://github.com/huggingface/transformers.git@v5.0.0
accelerate @ git+https://github.com/huggingface/accelerate
-e git+https://github.com/acme/tools.git@0123abc#egg=tools
peft @ git+ssh://git@github.com/huggingface/peft
certifi @ file:///home/conda/feedstock_root/build_artifacts/certifi_1/work
python=3.11
_libgcc_mutex=0.1=main
torch==2.10.0+cu128
"""
_LINES = {
    "folder": "./evil",
    "folder-by-way": "evil.whl/../x",
    "editable": "-e .",
    "option": "--no-build-isolation",
    "further-above": "-r ../requirements.txt",
    "further-address": "-r http://evil.example/r.txt",
    "sentence": "pip install torch",
}
_IN_CLEAR = {
    "trusted": "--trusted-host evil.example",
    "two-options": "-i https://pypi.org/simple --trusted-host evil.example",
    "index": "--index-url http://evil.example/simple",
    "known-host": "--index-url=http://pypi.org/simple",
    "address": "http://evil.example/x.zip",
    "git": "git+http://github.com/a/b",
    "editable-git": "-e git+http://github.com/a/b#egg=b",
}
_PLACES = {
    "other-index": "-i https://pypi.corp.example/simple",
    "other-package": "x @ https://corp.example/x.whl",
    "user": "x @ https://pypi.org@evil.example/x.whl",
    "password": "x @ https://a:b@pypi.org/x.whl",
    "port": "x @ https://pypi.org:8443/x.whl",
    "ssh": "x @ git+ssh://git@corp.example/a/b",
    "other-scheme": "x @ s3://bucket/x.whl",
}


def _of(name: str, text: str, rule: int = 0, *, fails: bool = True) -> Vector:
    return Vector(
        name=name,
        path="requirements.txt",
        data=text.encode(),
        rule=f"REQUIREMENTS-{rule}" if rule else "",
        fails=fails,
    )


VECTORS = (
    _of("sound", _SOUND),
    _of("nothing", ""),
    Vector(
        name="other-name",
        path="requirements-dev.txt",
        data=b"./x\n",
        rule="REQUIREMENTS-1",
        fails=False,
    ),
    _of("long", "x ; " + " --hash=a:0" * 90_000 + "!", 1),
    *(_of(name, f"torch\n{line}\n", 1, fails=False) for name, line in _LINES.items()),
    *(_of(name, f"torch\n{line}\n", 2) for name, line in _IN_CLEAR.items()),
    *(_of(name, f"torch\n{line}\n", 2, fails=False) for name, line in _PLACES.items()),
)
