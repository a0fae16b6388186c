"""MLflow as `mlflow server` starts it, with its default number of workers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from benchmarks.load import Target
from benchmarks.processes import Process
from registry.testing.postgres import free_port

START_TIMEOUT_S = 180.0
#: Its workers come up one after the other, behind the first that answers.
SETTLE_S = 5.0
ALIAS = "champion"
_JSON = (("content-type", "application/json"),)


class MlflowServer:
    """A server on a database of its own: a file, or the address of an empty PostgreSQL database."""

    def __init__(self, folder: Path, *, database_url: str = "") -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self._api = f"{self.url}/api/2.0/mlflow"
        self._process = Process(
            [
                str(Path(sys.executable).with_name("mlflow")),
                "server",
                "--host=127.0.0.1",
                f"--port={self.url.rpartition(':')[2]}",
                f"--backend-store-uri={database_url or f'sqlite:///{folder}/mlflow.db'}",
                f"--artifacts-destination={folder}/artifacts",
            ],
            log=folder / "log",
            environment={"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"},
        )
        self._http = httpx.Client(timeout=60)

    def __enter__(self) -> Self:
        self._process.wait_until(self._answers, timeout_s=START_TIMEOUT_S)
        time.sleep(SETTLE_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
        self._process.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    def reads(self, names: Sequence[str]) -> list[Target]:
        """Models with a version under an alias, each asked for by that."""
        targets = []
        for name in names:
            self._post("registered-models/create", {"name": name})
            self._post("model-versions/create", _version(name))
            given = {"name": name, "alias": ALIAS, "version": "1"}
            self._post("registered-models/alias", given)
            url = f"{self._api}/registered-models/alias?name={name}&alias={ALIAS}"
            size = len(self._http.get(url).raise_for_status().content)
            targets.append(Target(url=url, headers=(), body=None, http1=True, answer_bytes=size))
        return targets

    def creates(self, names: Sequence[str]) -> list[Target]:
        """New models, each to get version upon version."""
        targets = []
        for name in names:
            self._post("registered-models/create", {"name": name})
            body = self._folder / f"{name}.json"
            body.write_text(json.dumps(_version(name)))
            url = f"{self._api}/model-versions/create"
            targets.append(Target(url=url, headers=_JSON, body=body, http1=True))
        return targets

    def latest(self, name: str) -> int:
        """The number of a model's newest version, which is how many were made."""
        answer = self._http.get(f"{self._api}/registered-models/get", params={"name": name})
        model = answer.raise_for_status().json()["registered_model"]
        return max((int(each["version"]) for each in model.get("latest_versions", [])), default=0)

    def _answers(self) -> bool:
        try:
            return self._http.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def _post(self, call: str, given: dict[str, Any]) -> None:
        self._http.post(f"{self._api}/{call}", json=given).raise_for_status()


def _version(name: str) -> dict[str, Any]:
    """A version as a training script makes one: where its bytes are, and what is said of it."""
    return {
        "name": name,
        "source": f"s3://models/{name}",
        "description": "trained for the benchmark",
        "tags": [{"key": "epochs", "value": "3"}, {"key": "lr", "value": "0.1"}],
    }
