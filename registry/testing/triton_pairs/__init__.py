"""Configs and models, sound and broken, and what a real Triton makes of each of them.

What is recorded of the server is its own: `tests/serving/test_triton_server.py` asks it again. The
backend for ONNX Runtime is a stand-in there (`registry/testing/triton_backend/model.py`), so what
is recorded of that names the function in its source that decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A repository of models, and what becomes of one that is loaded from it."""

    #: Of the pair, and of the model that is loaded.
    name: str
    #: By their path in the repository; a path with a slash at its end is a folder without files.
    files: Mapping[str, bytes]
    #: How the server's core refuses it: a pattern of what it logs. Empty where it has no objection.
    core: str = ""
    #: How the backend refuses it, as a pattern; empty where it accepts, or is not asked.
    backend: str = ""
    #: Where in the backend that is decided, at commit 02ffb9e: file and function.
    source: str = ""
    #: The server takes it, but requests fail or are answered wrongly: we say *not ready*. Where it
    #: is the backend that fails them, `source` says so; else the tests' server does.
    fails_in_use: bool = False
    #: A server with other means than the tests' one decides otherwise: we say what it needs, and
    #: never *not ready*.
    depends_on: str = ""
    #: Why our verdict is another one: what no version of ours can be like, or what vetting refuses.
    apart: str = ""

    @property
    def is_accepted(self) -> bool:
        return not self.core and not self.backend


def single(
    name: str,
    config: str | bytes | None,
    model: bytes | None,
    *,
    more: Mapping[str, bytes] | None = None,
    core: str = "",
    backend: str = "",
    source: str = "",
    fails_in_use: bool = False,
    depends_on: str = "",
) -> Pair:
    """One model with one version, 1. `more` are files by their path in the model's folder."""
    files = dict(more or {})
    if config is not None:
        files["config.pbtxt"] = config.encode() if isinstance(config, str) else config
    if model is not None:
        files["1/model.onnx"] = model
    return Pair(
        name=name,
        files={f"{name}/{path}": content for path, content in files.items()},
        core=core,
        backend=backend,
        source=source,
        fails_in_use=fails_in_use,
        depends_on=depends_on,
    )
