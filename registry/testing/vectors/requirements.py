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
"""
_LINES = {
    "long": "x ; " + " --hash=a:0" * 90_000 + "!",
    "folder": "./evil",
    "wheel": "evil.whl/../x",
    "editable": "-e .",
    "option": "--no-build-isolation",
    "trusted": "--trusted-host evil.example",
    "further-above": "-r ../requirements.txt",
    "further-address": "-r http://evil.example/r.txt",
    "two-options": "-i https://pypi.org/simple --trusted-host evil.example",
}
_PLACES = {
    "index-in-clear": "--index-url http://evil.example/simple",
    "known-host-in-clear": "--index-url=http://pypi.org/simple",
    "address-in-clear": "http://evil.example/x.zip",
    "git-in-clear": "git+http://github.com/a/b",
    "git-by-ssh": "x @ git+ssh://git@github.com/a/b",
    "file": "x @ file:///tmp/x.whl",
    "user": "x @ https://pypi.org@evil.example/x.whl",
    "port": "x @ https://pypi.org:8443/x.whl",
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
    Vector(name="other-name", path="requirements-dev.txt", data=b"./x\n", rule="REQUIREMENTS-1"),
    *(_of(name, f"torch\n{line}\n", 1) for name, line in _LINES.items()),
    *(_of(name, f"torch\n{line}\n", 2) for name, line in _PLACES.items()),
    _of("other-index", "-i https://pypi.corp.example/simple\n", 2, fails=False),
    _of("other-package", "x @ https://corp.example/x.whl\n", 2, fails=False),
)
