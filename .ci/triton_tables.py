"""Measures what Triton's releases know, and writes it down in registry/serving.

For each release of policies/triton-releases.yaml: its version of ONNX Runtime is fetched as the
wheels of PyPI, for CPU and for GPU, and asked and probed (`triton_probe.py`), the latter with
empty libraries in CUDA's place (`cuda_stubs.py`); of Triton's client of its number the schema of
config.pbtxt is read. Fetches about 4 GB, a wheel at a time, and takes some ten minutes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from cuda_stubs import stand_in
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

from registry.serving.releases import shipped_releases
from registry.serving.runtimes import CPU, CUDA, PROVIDERS
from registry.serving.spans import order, span_of

ROOT = Path(__file__).resolve().parent.parent
SERVING = ROOT / "registry" / "serving"
PROBE = ROOT / ".ci" / "triton_probe.py"
#: Builds from between two versions, that no wheel is of; told by the tables of the one they bear
#: the number of.
BUILDS = {
    "1.23.0+1d1712fdaf": {
        "measured": "1.23.0",
        "source": "Triton 25.08 was built from a commit on the way to 1.23.0: "
        "triton-inference-server/server docs/introduction/compatibility.md",
    }
}
#: The newest client, by whose schema config.pbtxt is parsed here.
NEWEST_CLIENT = "2.73.0"
#: Above any opset.
_NO_END = 2**31
#: Any numpy 1 goes with every wheel since 1.17.
NUMPY = "numpy<2"


class Bench:
    """Where wheels are fetched, unpacked and asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numpy = folder / "numpy"
        self._pip("install", "--target", str(self._numpy), NUMPY)

    def wheel(self, name: str, version: str) -> Path | None:
        """The wheel of this very version; None where PyPI has none."""
        place = self._folder / f"{name}-{version}"
        wanted = f"{name}=={version}"
        try:
            self._pip("download", "--no-deps", "--only-binary=:all:", f"--dest={place}", wanted)
        except subprocess.CalledProcessError as error:
            if "No matching distribution found" in error.stderr:
                return None
            raise SystemExit(f"{wanted}: {error.stderr}") from error
        return next(place.glob("*.whl"))

    def asked(self, wheel: Path, *options: str) -> dict[str, Any]:
        """What the probe finds in a wheel, which is gone afterwards."""
        print(f"asking {wheel.name}", flush=True)
        place = self._folder / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
        wheel.unlink()
        stubs = self._folder / "stubs"
        stubs.mkdir()
        capi = place / "onnxruntime" / "capi"
        providers = [capi / f"libonnxruntime_providers_{each}.so" for each in ("cuda", "tensorrt")]
        cuda = stand_in(providers, stubs) if providers[0].exists() else {}
        environment = {
            **cuda,
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PYTHONPATH": f"{place}{os.pathsep}{self._numpy}",
        }
        done = subprocess.run(
            [sys.executable, "-s", str(PROBE), *options],
            env=environment,
            capture_output=True,
            text=True,
        )
        shutil.rmtree(place)
        shutil.rmtree(stubs)
        if done.returncode:
            raise SystemExit(f"{wheel.name}: the probe ended with {done.returncode}: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _pip(self, *command: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *command],
            check=True,
            capture_output=True,
            text=True,
        )


def main() -> None:
    releases = shipped_releases().values()
    asked = {each.onnxruntime for each in releases} - set(BUILDS)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        write_runtimes(bench, ascending({*asked, installed("onnxruntime")}))
        servers = {each.server for each in releases if each.server}
        write_fields(bench, ascending({*servers, NEWEST_CLIENT}))


def ascending(versions: Collection[str]) -> list[str]:
    return sorted(versions, key=order)


# --- ONNX Runtime ---------------------------------------------------------------------------------


def write_runtimes(bench: Bench, versions: list[str]) -> None:
    limits: dict[str, Any] = {"versions": {}, "builds": BUILDS}
    found: dict[str, dict[str, Any]] = {}
    for version in versions:
        wheel = bench.wheel("onnxruntime", version)
        if wheel is None:
            raise SystemExit(f"PyPI has no onnxruntime {version} for this Python: add it to BUILDS")
        found[version] = mine = bench.asked(wheel)
        cuda_of, rows = cuda_kernels(bench, version, of_provider(mine["kernels"], CPU))
        mine["kernels"] += rows
        limits["versions"][version] = {
            "ir_version_max": mine["ir_version_max"],
            "opset_max": mine["opset_max"],
            "kernels": {CPU: f"onnxruntime {version}", CUDA: f"onnxruntime-gpu {cuda_of}"},
        }
    folder = SERVING / "runtimes"
    folder.mkdir(exist_ok=True)
    write(folder / "limits.json", limits)
    schemas = {version: mine["schemas"] for version, mine in found.items()}
    write(folder / "schemas.json", opsets_by_span(schemas, {"since": False, "deprecated": True}))
    inlined = {version: mine["inlined"] for version, mine in found.items()}
    write(folder / "inlined.json", opsets_by_span(inlined, {"loads": True, "untold": None}))
    for provider in PROVIDERS:
        rows_of = {v: of_provider(mine["kernels"], provider) for v, mine in found.items()}
        write(folder / f"{provider}.json", kernel_table(rows_of))


def cuda_kernels(bench: Bench, version: str, cpu: list[Any]) -> tuple[str, list[Any]]:
    """Those of the GPU wheel of this version; where PyPI has none, of the nearest patch of it whose
    wheel has the very same CPU kernels. With the version whose they are."""
    minor, _, patch = version.rpartition(".")
    near = sorted(range(10), key=lambda n: (abs(n - int(patch)), n))
    for candidate in (f"{minor}.{n}" for n in near):
        wheel = bench.wheel("onnxruntime-gpu", candidate)
        if wheel is not None:
            rows = bench.asked(wheel, "--kernels")["kernels"]
            if of_provider(rows, CPU) == cpu:
                return candidate, [row for row in rows if row[0] == CUDA]
            print(f"onnxruntime-gpu {candidate} has other CPU kernels than {version}")
    raise SystemExit(f"no onnxruntime-gpu {minor}.* has the CPU kernels of onnxruntime {version}")


def of_provider(rows: Iterable[Any], provider: str) -> list[Any]:
    return [row for row in rows if row[0] == provider]


def opsets_by_span(
    found: Mapping[str, Iterable[Any]], wanted: Mapping[str, bool | None]
) -> dict[str, Any]:
    """For each answer that is wanted: domain, operator, span, opsets."""
    table: dict[str, Any] = {}
    for name, answer in wanted.items():
        facts: dict[tuple[str, str, int], set[str]] = {}
        for version, rows in found.items():
            for domain, op_type, opset, said in rows:
                # A schema that deprecates an operator begins at its opset too.
                if said is answer or name == "since":
                    facts.setdefault((domain, op_type, opset), set()).add(version)
        table[name] = {}
        for (domain, op_type, opset), held in sorted(facts.items()):
            spans = table[name].setdefault(domain, {}).setdefault(op_type, {})
            spans.setdefault(span_of(held, list(found)), []).append(opset)
    return table


def kernel_table(found: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
    types: dict[str, list[str]] = {}
    facts: dict[tuple[str, str, int, int, str], set[str]] = {}
    for version, rows in found.items():
        for _, domain, op_type, start, end, constraints in rows:
            named = {name: _named(kinds, types) for name, kinds in constraints.items()}
            key = (domain, op_type, start, _NO_END if end is None else end, json.dumps(named))
            facts.setdefault(key, set()).add(version)
    kernels: dict[str, Any] = {}
    for (domain, op_type, start, end, constrained), held in sorted(facts.items()):
        opsets = f"{start}-{'' if end == _NO_END else end}"
        row = [opsets, span_of(held, list(found)), json.loads(constrained)]
        kernels.setdefault(domain, {}).setdefault(op_type, []).append(row)
    return {"types": dict(sorted(types.items())), "kernels": kernels}


def _named(kinds: list[str], types: dict[str, list[str]]) -> str:
    """One type stands for itself; several have a name, by what they are, so that it stays."""
    if len(kinds) == 1:
        return kinds[0]
    name = "@" + hashlib.sha256(" ".join(kinds).encode()).hexdigest()[:7]
    if types.setdefault(name, kinds) != kinds:
        raise SystemExit(f"two lists of types have the name {name}: make it longer")
    return name


# --- config.pbtxt ---------------------------------------------------------------------------------


def write_fields(bench: Bench, servers: list[str]) -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    for server in servers:
        wheel = bench.wheel("tritonclient", server)
        if wheel is None:
            raise SystemExit(f"PyPI has no tritonclient {server}: leave `server` out of its row")
        print(f"reading {wheel.name}", flush=True)
        found[server] = set(fields(schema_of(wheel)))
    table: dict[str, dict[str, list[str]]] = {}
    for message, field in sorted(set().union(*found.values())):
        held = {server for server, mine in found.items() if (message, field) in mine}
        table.setdefault(message, {}).setdefault(span_of(held, servers), []).append(field)
    by_age = {message: dict(sorted(spans.items())) for message, spans in table.items()}
    write(SERVING / "config_fields.json", {"servers": servers, "fields": by_age})


def schema_of(wheel: Path) -> FileDescriptorProto:
    """From the generated module's text: importing it would take a protobuf of its time."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        module = next(n for n in names if n.endswith("tritonclient/grpc/model_config_pb2.py"))
        tree = ast.parse(archive.read(module))
    # Options of single fields are written as bytes too; the schema names its file first.
    found = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, bytes)
        and re.match(rb"\n.model_config\.proto", node.value, re.DOTALL)
    ]
    if len(found) != 1:
        raise SystemExit(f"{wheel.name}: found {len(found)} schemas in {module}, expected one")
    return FileDescriptorProto.FromString(found[0])


def fields(schema: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Each message with its fields, each enum with its values."""
    for enum in schema.enum_type:
        yield from _values(enum, "")
    for message in schema.message_type:
        yield from _fields(message, "")


def _values(enum: EnumDescriptorProto, prefix: str) -> Iterator[tuple[str, str]]:
    yield from ((prefix + enum.name, value.name) for value in enum.value)


def _fields(message: DescriptorProto, prefix: str) -> Iterator[tuple[str, str]]:
    path = prefix + message.name
    if not message.options.map_entry:
        yield from ((path, field.name) for field in message.field)
        for enum in message.enum_type:
            yield from _values(enum, f"{path}.")
        for nested in message.nested_type:
            yield from _fields(nested, f"{path}.")


# --- Files ----------------------------------------------------------------------------------------


def write(path: Path, table: Mapping[str, Any]) -> None:
    """As JSON whose lines are short enough to compare, and long enough to be few."""
    text = json.dumps(table, indent=1, ensure_ascii=True)
    # What holds no further list or map goes on one line, and so does a list of such maps.
    for inner in (r"[\[{][^\[\]{}]*[\]}]", r"\[[^\[\]]*\]"):
        text = re.sub(inner, lambda found: " ".join(found[0].split()), text)
    path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
