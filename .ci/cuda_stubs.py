"""Empty libraries in place of CUDA's, so that ONNX Runtime lists its CUDA kernels without a GPU.

Its list of kernels is made when it is built; only the loader, and constructors that ask for a
device, want CUDA. So each library that a provider needs is stood in for by one whose functions do
nothing and answer 0, which CUDA takes for success. Nothing can be computed with them.

Needs gcc and binutils.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

_NEEDED = re.compile(r"NEEDED +(lib(?:cu|nv)\S+)")
_OWNER = re.compile(r"required from (\S+):")
_VERSION = re.compile(r"0x\S+ 0x\S+ [0-9]+ (\S+)")
#: Looked up by name in libcuda while the provider loads, hence found among its texts.
_BY_NAME = re.compile(rb"\0(cu[A-Z][A-Za-z0-9]{3,40}(?:_v[0-9])?)(?=\0)")
#: Undefined, without a version that would tell whose they are: of CUDA's driver and TensorRT.
_LOOSE = re.compile(r"cu|create|getInfer|getPlugin|initLib")
_DRIVER = "libcuda.so.1"


def stand_in(providers: Iterable[Path], folder: Path) -> dict[str, str]:
    """Makes the libraries in this folder; gives the environment in which the providers load."""
    needed: set[str] = {_DRIVER}
    functions: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    loose: set[str] = set()
    named: set[str] = set()
    for provider in providers:
        headers = _run("objdump", "-p", str(provider))
        needed |= set(_NEEDED.findall(headers))
        owners = _owners(headers)
        for version, name in _undefined(provider):
            if owners.get(version) in needed:
                functions[owners[version]][version].add(name)
            elif not version and _LOOSE.match(name):
                loose.add(name)
        named |= {each.decode() for each in _BY_NAME.findall(provider.read_bytes())}
    for library in needed:
        _build(folder / library, functions.get(library, {}), named if library == _DRIVER else ())
    _build(folder / "libloose.so", {}, loose)
    return {"LD_LIBRARY_PATH": str(folder), "LD_PRELOAD": str(folder / "libloose.so")}


def _owners(headers: str) -> dict[str, str]:
    """The library of each version of symbols."""
    found, owner = {}, ""
    for line in headers.partition("Version References")[2].splitlines():
        if told := _OWNER.search(line):
            owner = told[1]
        elif told := _VERSION.search(line):
            found[told[1]] = owner
    return found


def _undefined(provider: Path) -> Iterable[tuple[str, str]]:
    """Version, which may be empty, and name of each symbol that another library has to bring."""
    for line in _run("objdump", "-T", str(provider)).splitlines():
        flags, is_undefined, rest = line.partition("*UND*")
        # A weak one may stay without.
        if is_undefined and "w" not in flags.split():
            _, *version, name = rest.split()
            plain = version[0].strip("()") if version else ""
            yield ("" if plain == "Base" else plain), name


def _build(library: Path, functions: Mapping[str, set[str]], plain: Iterable[str]) -> None:
    names = sorted({*plain, *(name for each in functions.values() for name in each)})
    source = library.with_suffix(".c")
    source.write_text("".join(f"long {name}(void) {{ return 0; }}\n" for name in names))
    script = library.with_suffix(".map")
    script.write_text(
        "".join(
            f"{version} {{ global: {' '.join(f'{name};' for name in sorted(each))} }};\n"
            for version, each in sorted(functions.items())
        )
    )
    versioned = [f"-Wl,--version-script={script}"] if functions else []
    # The compiler knows some of these names, and their true types.
    quiet = ["-w", "-fno-builtin", "-shared", "-fPIC"]
    soname = f"-Wl,-soname,{library.name}"
    _run("gcc", *quiet, "-o", str(library), str(source), soname, *versioned)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
