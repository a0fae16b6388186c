"""requirements.txt: packages by name, from places that many trust.

Nobody here installs them. Whoever serves the model may, without reading: then an index or an
address of somebody else's is code of somebody else's.

Source: https://pip.pypa.io/en/stable/reference/requirements-file-format/ and PEP 508.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from registry.formats import text_file
from registry.formats.look import Look, Rule, SpentError, quoted

REQUIREMENTS_BYTES_MAX = 1024 * 1024
#: The patterns below take time by the square of it.
LINE_CHARS_MAX = 4000

LINE = Rule(
    "REQUIREMENTS-1",
    "Requirements are packages by name and version, without folders of the version's own.",
    "Name packages alone, such as `torch>=2.10`.",
)
PLACE = Rule(
    "REQUIREMENTS-2",
    "Packages come from places that are known, over a connection that is encrypted and checked.",
    "Name the package alone, and let whoever installs it choose the index.",
)
RULES = (LINE, PLACE)

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\s*\[[A-Za-z0-9._, -]*\])?"
_CLAUSE = r"(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+"
_CLAUSES = rf"(?:{_CLAUSE}(?:\s*,\s*{_CLAUSE})*)"
_HASHES = r"(?:\s+--hash=[a-z0-9]+:[0-9a-f]+)*"
#: `name (>=1)`, `name >= 1 ; python_version > "3.8"`, and hashes behind it.
_PACKAGE = re.compile(rf"{_NAME}\s*(?:{_CLAUSES}|\(\s*{_CLAUSES}\s*\))?\s*(?:;[^@]*?)?{_HASHES}")
#: What `conda list -e` writes: harmless, and nothing to pip.
_CONDA = re.compile(r"[A-Za-z0-9_.-]+=[A-Za-z0-9_.+!*-]+(?:=[A-Za-z0-9_.+-]+)?")
_ADDRESSED = re.compile(
    rf"(?:-e\s+|--editable[\s=])?(?:{_NAME}\s*@\s*)?((?:git\+)?[a-z][a-z0-9+.-]*:\S+)(?:\s*;.*)?"
)
_INDEX = re.compile(r"(?:--index-url|--extra-index-url|--find-links|-i|-f)(?:\s+|=)(\S+)")
_FURTHER = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_OPTION = re.compile(r"--pre|--prefer-binary|--only-binary(?:\s+|=)\S+|--require-hashes")
_HARMLESS = (_PACKAGE, _FURTHER, _OPTION, _CONDA)
_UNCHECKED = re.compile(r"--trusted-host\b")
_IN_CLEAR = ("http", "ftp", "git+http", "git+git", "git", "svn+http", "hg+http")
_ENCRYPTED = ("https", "git+https", "git+ssh", "ssh")
_PLACES = frozenset(
    (
        *("pypi.org", "files.pythonhosted.org", "download.pytorch.org", "pypi.nvidia.com"),
        *("pypi.ngc.nvidia.com", "data.pyg.org", "github.com", "huggingface.co"),
    )
)


def read(look: Look) -> None:
    text_file.read_text(look)
    if look.source.size_bytes > REQUIREMENTS_BYTES_MAX:
        raise SpentError("it has more requirements than are looked at")
    text = look.source.read(0, look.source.size_bytes).decode("utf-8-sig")
    for number, line in enumerate(re.sub(r"\\\r?\n", " ", text).splitlines(), start=1):
        look.budget.step()
        _check(look, _COMMENT.sub("", line).strip(), number)


def _check(look: Look, line: str, number: int) -> None:
    if len(line) > LINE_CHARS_MAX:
        look.refuse(LINE, f"found a line {number} of {len(line)} characters")
        return
    if not line or any(form.fullmatch(line) for form in _HARMLESS):
        return
    found = _INDEX.fullmatch(line) or _ADDRESSED.fullmatch(line)
    if _UNCHECKED.search(line):
        look.refuse(PLACE, f"found {quoted(line)} in line {number}, expected it to be checked")
    elif not found:
        look.doubt(LINE, f"found {quoted(line)} in line {number}")
    else:
        _check_place(look, found[1], f"found {quoted(line)} in line {number}")


def _check_place(look: Look, address: str, said: str) -> None:
    scheme, host = _place(address)
    if scheme == "file":
        # `pip freeze` tells where a package was built; nothing of a version lies there.
        look.advise(PLACE, said)
    elif scheme in _IN_CLEAR:
        look.refuse(PLACE, f"{said}, expected https://")
    elif scheme not in _ENCRYPTED or host not in _PLACES:
        look.doubt(PLACE, f"{said}, whose place is not on the list")


def _place(address: str) -> tuple[str, str]:
    """Scheme and host; an empty host for what is no address that all readers take alike."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "", ""
    user = parts.netloc.rpartition("@")[0]
    is_plain = (
        user == ("git" if "ssh" in parts.scheme else "") and "\\" not in address and port is None
    )
    return parts.scheme, (parts.hostname or "") if is_plain else ""
