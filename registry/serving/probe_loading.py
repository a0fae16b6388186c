"""Loading candidates under throw-away names, and leaving the server as it was found."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from registry.domain.readiness import Point, Weight
from registry.serving import probe_rules as rules
from registry.serving.candidates import Candidate
from registry.serving.points import point
from registry.serving.probe_client import Client
from registry.serving.probe_faults import FaultError, server_fault
from registry.serving.probe_names import is_left_over, throw_away_name
from registry.serving.probe_target import ProbeTarget

logger = logging.getLogger(__name__)

_READY_AGAIN_S = 30.0
_STEP_S = 0.1
#: An ensemble has no files, but its folder has to have a version.
_NO_FILES = {"1/ensemble": b""}
#: `y = Identity(x)`, both float32 of one element: what `onnx.helper` makes of it with IR version 8
#: and opset 17, as tests/serving/test_probe_faults.py tries.
TINY = bytes.fromhex(
    "08083a3a0a100a017812017922084964656e7469747912046e6f6f705a0f0a0178120a0a08080112040a0208"
    "01620f0a0179120a0a08080112040a02080142040a001011"
)
_TINY_CONFIG: Mapping[str, Any] = {"backend": "onnxruntime", "max_batch_size": 0}
_TINY_FILES = {"1/model.onnx": TINY}


class Loading:
    """`points` gets what cannot be undone. `names`: throw-away ones by those in the version."""

    def __init__(self, client: Client, target: ProbeTarget, now_s: int) -> None:
        self._client = client
        self._target = target
        self._now_s = now_s
        self.names: dict[str, str] = {}
        self.points: list[Point] = []
        #: Names that the server may know.
        self._loading: list[str] = []
        self._folders: list[Path] = []
        self._refused = ""

    def remove_left_overs(self) -> None:
        """Of probes that were killed. What resists is not this probe's concern."""
        left = {name for name in self._client.names() if is_left_over(name, self._now_s)}
        for name in sorted(left):
            logger.warning("a probe that was killed has left %s on %s", name, self._target.address)
            self._client.unload(name)
        repository = self._target.repository
        if repository is not None and repository.is_dir():
            for folder in repository.iterdir():
                if is_left_over(folder.name, self._now_s):
                    shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def loaded(self, models: Sequence[Candidate], *, was_ready: bool) -> Iterator[None]:
        """All of them, as long as they are needed; each in front of those that need it. A server
        that was ready is so afterwards."""
        try:
            for model in models:
                self._load_one(model)
            yield
        except FaultError as fault:
            raise self._in_own_names(fault) from fault
        finally:
            self._undo(was_ready=was_ready)

    def _load_one(self, model: Candidate) -> None:
        # Before it is loaded: it may be on the server already when this is interrupted.
        name = self.names[model.name] = throw_away_name(self._now_s)
        self._loading.append(name)
        try:
            self._load(name, model)
        except FaultError as fault:
            if fault.is_refusal:
                self._refused = name
            elif fault.point.rule in (rules.EXPLICIT.id, rules.ALLOWED.id):
                # It has not even been looked at, and may not be unloaded either.
                self._loading.remove(name)
            raise fault.about(model.name) from fault

    def _in_own_names(self, fault: FaultError) -> FaultError:
        """Servers quote the throw-away ones."""
        found = fault.point.found
        for own, name in self.names.items():
            found = found.replace(name, own)
        return fault.saying(found)

    def _load(self, name: str, model: Candidate) -> None:
        config = self._renamed(model.config)
        size_bytes = model.size_bytes
        if size_bytes <= self._target.message_bytes_max:
            files = {way: path.read_bytes() for way, path in model.files.items()}
            self._send(name, config, files or _NO_FILES, has_members=bool(model.members))
            return
        if self._target.repository is None:
            raise server_fault(
                rules.HANDED_OVER,
                f"the model has {size_bytes:,} bytes",
                f"at most {self._target.message_bytes_max:,} in a message",
            )
        self._copy(self._target.repository / name, model.files)
        self._client.load(name, config, None)

    def _send(
        self, name: str, config: Mapping[str, Any], files: Mapping[str, bytes], *, has_members: bool
    ) -> None:
        try:
            self._client.load(name, config, files)
        except FaultError as fault:
            # Triton looks for an ensemble's models in its repository as well, and says that it has
            # failed where they are not, though it has them and has loaded the ensemble.
            is_config = fault.point.rule == rules.CONFIG_TAKEN.id
            if not (has_members and is_config and self._client.has_ready(name)):
                raise

    def _renamed(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """An ensemble's, with the names that its models have meanwhile."""
        scheduling = config.get("ensemble_scheduling")
        if not scheduling:
            return config
        steps = [
            {**step, "model_name": self.names.get(step["model_name"], step["model_name"])}
            for step in scheduling.get("step", [])
        ]
        return {**config, "ensemble_scheduling": {**scheduling, "step": steps}}

    def _copy(self, folder: Path, files: Mapping[str, Path]) -> None:
        self._folders.append(folder)
        try:
            for way, path in files.items():
                (folder / way).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / way)
        except OSError as error:
            raise server_fault(
                rules.HANDED_OVER,
                f"the folder {self._target.repository} does not take the model: {error.strerror}",
            ) from error

    # --- Undoing ----------------------------------------------------------------------------------

    def _undo(self, *, was_ready: bool) -> None:
        """The last loaded first. What fails is told and keeps nothing else from being undone."""
        for name in reversed(self._loading):
            try:
                self._client.unload(name)
            except FaultError as fault:
                found = f"model {name} could not be unloaded: {fault.point.found}"
                self._tell(found, "only what was there before")
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                self._tell(f"folder {folder} could not be removed", "only what was there before")
        try:
            if was_ready and not self._is_ready_again():
                self._tell("it was ready before, and is not now", "it ready")
        except FaultError as fault:
            self._tell(f"whether it is ready cannot be told: {fault.point.found}", "it ready")

    def _is_ready_again(self) -> bool:
        """By default a server is not ready as long as it knows of a model that it has failed to
        load, also when that is unloaded: only one that it loads under the same name ends that."""
        if self._refused and not self._client.is_ready():
            try:
                self._client.load(self._refused, _TINY_CONFIG, _TINY_FILES)
            except FaultError as fault:
                logger.warning("nothing can be loaded in place of the model: %s", fault)
            self._client.unload(self._refused)
        until = time.monotonic() + _READY_AGAIN_S
        # While it unloads a model it is not ready either.
        while not self._client.is_ready():
            if time.monotonic() > until:
                return False
            time.sleep(_STEP_S)
        return True

    def _tell(self, found: str, expected: str) -> None:
        """A remark: it says nothing of the model."""
        self.points.append(point(rules.LEFT_CLEAN, Weight.REMARK, "the server", found, expected))
