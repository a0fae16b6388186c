"""A private NVIDIA Triton for tests: the real server, in a folder of its own, on loopback only.

It is release 24.10, without GPU, with its Python backend, and in place of its backend for ONNX
Runtime a stand-in (`registry/testing/triton_backend/model.py` says in what it differs).
`.ci/triton.sh` installs it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from numpy.typing import NDArray

from registry.testing.certificates import Issued
from registry.testing.postgres import Account, free_port
from registry.testing.triton_tensors import Tensors, decode, encode

RELEASE = "24.10"
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-triton"
START_TIMEOUT_S = 60.0
#: Of one model, on a machine that has other work.
LOAD_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
START_ATTEMPTS = 5
_BACKEND = Path(__file__).resolve().parent / "triton_backend" / "model.py"
_SHARED_MEMORY = Path("/dev/shm")
_REFUSED_CONFIG = "failed to poll from model repository"
_SIDE_BY_SIDE = 16
#: Of a version of a model that takes no more memory.
_AT_REST = ("", "UNAVAILABLE")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the server made of a model that it was asked to load."""

    accepted: bool
    #: Its answer; empty where it accepted.
    message: str
    #: What it wrote meanwhile. Of a refused config the cause is told here alone.
    log_lines: tuple[str, ...]

    @property
    def told(self) -> str:
        """All that it said, to look for a cause in."""
        return "\n".join([self.message, *self.log_lines])


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a caller of a restricted part of the API has to show: a header with a value."""

    #: Parts of the API as Triton names them, such as `model-repository`.
    protocols: tuple[str, ...]
    header: str
    value: str

    @property
    def restriction(self) -> str:
        return f"{','.join(self.protocols)}:{self.header}={self.value}"


class TritonServer:
    """A context manager: a server without models on entry, nothing left of it on exit.

    Models are loaded from `repository` and only when asked to. With a certificate gRPC takes TLS
    alone (HTTP has none); with `keys` both want their headers, which the methods here send. As
    root it can run as another `account`. Raises RuntimeError, with what to do or with the end of
    its log, where it cannot start.
    """

    def __init__(
        self,
        *,
        certificate: Issued | None = None,
        keys: tuple[Key, ...] = (),
        account: Account | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self._certificate = certificate
        self._keys = keys
        self._account = account or Account()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        # Of its own, so that what a killed server leaves in shared memory can be told.
        self._prefix = f"hallmark-triton-{secrets.token_hex(8)}-"

    def __enter__(self) -> Self:
        self._site, self._python = find_site(), find_python()
        self._home = Path(tempfile.mkdtemp(prefix="hallmark-triton-"))
        try:
            self._lay_out()
            self._start_on_free_ports()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    @property
    def repository(self) -> Path:
        """The folder of models."""
        return self._home / "models"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self._grpc_port}"

    @property
    def log(self) -> str:
        """All that it has written."""
        return (self._home / "log").read_text(errors="replace")

    @property
    def shared_memory(self) -> list[Path]:
        """What it and the processes of its models share now."""
        return list(_SHARED_MEMORY.glob(f"{self._prefix}*"))

    def put(self, files: Mapping[str, bytes]) -> None:
        """Let the repository hold these files by their path in it, and nothing else."""
        shutil.rmtree(self.repository)
        self.repository.mkdir()
        for path, content in files.items():
            target = self.repository / path
            if path.endswith("/"):
                target.mkdir(parents=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self._own(self.repository)

    def load(self, model: str) -> Outcome:
        """Load it and what an ensemble needs. RuntimeError with the log where the server ends."""
        start = (self._home / "log").stat().st_size
        try:
            answer = self._client.post(f"/v2/repository/models/{quote(model)}/load")
        except httpx.TransportError as error:
            raise RuntimeError(f"Triton did not answer for {model}:\n{self.log[-8000:]}") from error
        with open(self._home / "log", "rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").splitlines()
        accepted = answer.status_code == httpx.codes.OK
        return Outcome(
            accepted=accepted,
            message="" if accepted else answer.json()["error"],
            log_lines=tuple(lines),
        )

    def load_many(self, models: Sequence[str]) -> dict[str, Outcome]:
        """Load them side by side, which takes a third of the time: most of it is waiting.

        What is written meanwhile is of all of them, so an outcome has the lines that name it. One
        that was refused for its config is asked again by itself: that line names nothing.
        """
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            found = dict(zip(models, pool.map(self.load, models), strict=True))
        for model, outcome in found.items():
            if outcome.message.endswith(_REFUSED_CONFIG):
                found[model] = self.load(model)
            else:
                lines = tuple(line for line in outcome.log_lines if model in line)
                found[model] = replace(outcome, log_lines=lines)
        return found

    def unload_all(self) -> None:
        """Unload every model; returns when none is left, and none is on its way out."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while busy := self._busy():
            if time.monotonic() > deadline:
                raise RuntimeError(f"Triton did not unload {busy}:\n{self.log[-4000:]}")
            for model, state in busy:
                if state == "READY":
                    self._post(f"/v2/repository/models/{quote(model)}/unload")
            time.sleep(0.01)

    def _busy(self) -> set[tuple[str, str]]:
        """Models with the states of their versions that are not at rest."""
        listed = {(each["name"], each.get("state", "")) for each in self.index()}
        served = self._get("/v2/models/stats").json()["model_stats"]
        # Those whose files came with the call that loaded them are not in the index.
        given = {each["name"] for each in served} - {name for name, _ in listed}
        at_work = {each for each in listed if each[1] not in _AT_REST}
        return at_work | {(name, "READY") for name in given}

    def index(self) -> list[dict[str, str]]:
        """Of each version that it knows of a model in the repository: name, state, reason."""
        found: list[dict[str, str]] = self._post("/v2/repository/index").json()
        return found

    def config(self, model: str) -> dict[str, Any]:
        """The config that it completed."""
        found: dict[str, Any] = self._get(f"/v2/models/{model}/config").json()
        return found

    def infer(self, model: str, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """All its outputs by name; strings are objects of bytes. RuntimeError where it has none."""
        body, headers = encode(inputs)
        answer = self._client.post(f"/v2/models/{model}/infer", content=body, headers=headers)
        return decode(self._checked(answer).content, answer.headers)

    def _lay_out(self) -> None:
        """The folders of models and backends, below one that is this server's."""
        self.repository.mkdir()
        parts = self._site / "pytriton" / "tritonserver"
        backends = self._home / "backends"
        shutil.copytree(parts / "backends" / "python", backends / "python")
        # Where a model's Python is started from; the package keeps one for each Python apart.
        version = self._site.parent.name.removeprefix("python")
        stub = parts / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy2(stub, backends / "python")
        (backends / "onnxruntime").mkdir()
        shutil.copy2(_BACKEND, backends / "onnxruntime")
        (self._home / "log").touch()
        self._own(self._home)

    def _own(self, path: Path) -> None:
        if self._account.uid is None or self._account.gid is None:
            return
        for each in [path, *path.rglob("*")]:
            os.chown(each, self._account.uid, self._account.gid)

    def _start_on_free_ports(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            self._http_port, self._grpc_port = free_port(), free_port()
            try:
                self._start()
                return
            except RuntimeError:
                # Somebody took a port between our look and the server's.
                if attempt == START_ATTEMPTS or "ddress already in use" not in self.log:
                    raise

    def _command(self) -> list[str]:
        server = self._site / "pytriton" / "tritonserver" / "bin" / "tritonserver"
        command = [*self._account.prefix, str(server)]
        command += [f"--model-repository={self.repository}", "--model-control-mode=explicit"]
        command += [f"--backend-directory={self._home / 'backends'}"]
        command += [f"--backend-config=python,shm-region-prefix-name={self._prefix}"]
        command += ["--http-address=127.0.0.1", f"--http-port={self._http_port}"]
        command += ["--grpc-address=127.0.0.1", f"--grpc-port={self._grpc_port}"]
        command += ["--allow-metrics=false", "--exit-timeout-secs=5"]
        if self._certificate is not None:
            command += ["--grpc-use-ssl=true"]
            command += [f"--grpc-server-cert={self._certificate.certificate}"]
            command += [f"--grpc-server-key={self._certificate.key}"]
        for key in self._keys:
            command += [f"--grpc-restricted-protocol={key.restriction}"]
            command += [f"--http-restricted-api={key.restriction}"]
        return [*command, *self._options]

    def _environment(self) -> dict[str, str]:
        # The second for a Python that brings its own library, which Debian's does not.
        libraries = (self._site / "nvidia_pytriton.libs", self._python.parent / "lib")
        return {
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            # The process of a model takes the Python that it finds there.
            "PATH": f"{ENVIRONMENT / 'bin'}:{os.defpath}",
            "HOME": str(self._home),
            "ORT_DISABLE_TELEMETRY": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _start(self) -> None:
        with open(self._home / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=self._home,
                start_new_session=True,
            )
        headers = {key.header: key.value for key in self._keys}
        self._client = httpx.Client(
            base_url=self.url, headers=headers, timeout=LOAD_TIMEOUT_S, trust_env=False
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                # Not `ready`, which a model that was refused turns off for good.
                self._get("/v2/health/live")
                return
            except (httpx.TransportError, RuntimeError) as error:
                if self._process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                self._end()
                raise RuntimeError(f"Triton did not start:\n{self.log[-4000:]}") from error

    def _get(self, path: str) -> httpx.Response:
        return self._checked(self._client.get(path))

    def _post(self, path: str) -> httpx.Response:
        return self._checked(self._client.post(path))

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.status_code != httpx.codes.OK:
            raise RuntimeError(f"Triton answered {answer.status_code}: {answer.text}")
        return answer

    def _end(self) -> None:
        """Leave no process behind, in order where it still listens to reason."""
        if self._process is None:
            return
        # Before it is told to end: it waits a while for connections that callers keep open, and
        # then leaves memory and folders behind. One that no longer answers is ended all the same.
        with contextlib.suppress(httpx.TransportError, RuntimeError):
            self.unload_all()
        self._client.close()
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode != 0:
            # The processes of its models are of its session, and their memory is left as it was.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for left in self.shared_memory:
                left.unlink()

    def _remove(self) -> None:
        self._end()
        shutil.rmtree(self._home)


def find_site() -> Path:
    """Where `.ci/triton.sh` has put the server's package."""
    found = list(ENVIRONMENT.glob("lib/python3.*/site-packages"))
    if len(found) != 1 or not (found[0] / "pytriton" / "tritonserver").is_dir():
        raise RuntimeError(
            f"No Triton found in {ENVIRONMENT}. Install it with .ci/triton.sh, then run the tests "
            "again."
        )
    return found[0]


def find_python() -> Path:
    """The folder of the interpreter that the environment was made with."""
    lines = (ENVIRONMENT / "pyvenv.cfg").read_text().splitlines()
    said = dict(line.split(" = ", 1) for line in lines)
    return Path(said["home"])
