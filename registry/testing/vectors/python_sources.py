"""Python modules, and such that start programs or make code of texts."""

from __future__ import annotations

from registry.testing.vectors import Vector


def _of(name: str, text: str, rule: str = "", *, fails: bool = True) -> Vector:
    return Vector(name=name, path="modeling.py", data=text.encode(), rule=rule, fails=fails)


_MODEL = """\
import importlib, os, subprocess
import torch.nn as nn
from transformers import AutoModel
from .eval import eval as eval_own

class Model(nn.Module):
    def forward(self, x):
        os.environ["A"], os.path.join("a"), subprocess.PIPE
        self.eval(), self.model.eval(), self.system("x"), eval_own(x)
        getattr(nn, self.name), getattr(os, "environ"), eval("1 + 1")
        importlib.import_module(self.name)
        return x
"""
_BAD = {
    "system": "import os\nos.system('id')\n",
    "system-alias": "import os as o\no.system('id')\n",
    "system-from": "from os import system as s\ns('id')\n",
    "system-named": "import os\nf = os.system\n",
    "system-inside": "def f():\n  import subprocess\n  return subprocess.run(['id'])\n",
    "exec": "exec(open('x').read())\n",
    "eval": "import base64\neval(base64.b64decode('MQ=='))\n",
    "import": "__import__('os').system('id')\n",
    "builtins": "import builtins\nbuiltins.exec('1')\n",
    "builtins-item": "__builtins__['eval']('1')\n",
    "getattr": "import os\ngetattr(os, 'system')('id')\n",
    "getattr-computed": "import os\ngetattr(os, 'sys' + 'tem')('id')\n",
    "shell-over-network": "import os, pty\nos.dup2(1, 0)\npty.spawn('sh')\n",
    "marshal": "import marshal\nmarshal.loads(b'')\n",
    "asyncio": "import asyncio\nasyncio.create_subprocess_shell('id')\n",
}

VECTORS = (
    _of("model", _MODEL),
    _of("own-exec", "def exec(a):\n    return a\nexec(b)\n"),
    _of("own-name", "class os:\n    pass\nos.path\n"),
    *(_of(name, text, "CODE-2") for name, text in _BAD.items()),
    _of("utf-8", "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nx = 'é'\n"),
    _of("ascii", "# vim: set fileencoding=ascii :\nx = 1\n"),
    _of("utf-7", "# coding: utf-7\n#+AAo-import os\n", "CODE-1", fails=False),
    _of("latin-1", "# coding: latin-1\nx = 'é'\n", "CODE-1", fails=False),
    _of("no-python", "print 'hello'\n", "CODE-1", fails=False),
    _of("deep", "(" * 5000, "CODE-1", fails=False),
)
