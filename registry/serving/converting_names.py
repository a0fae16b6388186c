"""Which tensors a checkpoint of torch holds, and their names: those of `model.state_dict()`.

- Names are the keys on the way to a tensor, joined by dots.
- A checkpoint that wraps one state dict, and holds no other tensor, gives way to it: of
  `{"state_dict": {"a.weight": ...}, "epoch": 3}` the tensor is `a.weight`.
- What optimizers, schedulers, scalers, callbacks and random generators keep is left out, and so is
  what is no tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.formats.look import Budget, quoted
from registry.formats.pickle_values import Items, Tensor, Value
from registry.serving.converting_values import CannotConvertError

#: More are counted.
LEFT_OUT_MAX = 200
#: What training scripts, Lightning and DeepSpeed keep a model's state dict under.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "params", "weights")
#: What they keep beside it.
_TRAINING = frozenset(
    (
        *("optimizer", "optimizers", "optim", "optimizer_state", "optimizer_states"),
        *("optimizer_state_dict", "optimizer_state_dicts", "optim_state_dict"),
        *("scheduler", "schedulers", "lr_scheduler", "lr_schedulers", "scheduler_state_dict"),
        *("lr_scheduler_state_dict", "scaler", "grad_scaler", "scaler_state_dict"),
        *("callbacks", "loops"),
    )
)
#: Of random generators: a tensor, or several.
_RANDOM = frozenset(
    ("rng_state", "rng_states", "torch_rng_state", "cuda_rng_state", "cuda_rng_states")
)
#: Of torch.optim.Optimizer.state_dict().
_OPTIMIZER = {"state", "param_groups"}
_DICTS = ("dict", "OrderedDict", "defaultdict", "Counter")


@dataclass(kw_only=True)
class Named:
    """What was found."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    #: What is not converted: its name, and what it is.
    left_out: list[tuple[str, str]] = field(default_factory=list)
    left_out_count: int = 0
    #: Keys of what wraps the state dict, joined by dots; empty where nothing does.
    within: str = ""

    def leave_out(self, name: str, what: str) -> None:
        self.left_out_count += 1
        if len(self.left_out) < LEFT_OUT_MAX:
            self.left_out.append((name, what))


def named_tensors(value: Value, budget: Budget) -> Named:
    """CannotConvertError where a tensor has no name, or two have the same; SpentError."""
    if isinstance(value, Tensor):
        raise CannotConvertError(
            "found a tensor alone, which has no name; expected a state dict. Save it in one: "
            'torch.save({"weight": tensor}, ...).'
        )
    if not isinstance(value, Items):
        raise CannotConvertError(f"found {value!r:.60}, expected a state dict")
    return _Walk(budget).run(value)


class _Walk:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._found = Named()
        #: Whether there is a tensor in a container, by its identity: parts may be shared.
        self._holding: dict[int, bool] = {}

    def run(self, value: Items) -> Named:
        self._flatten(self._unwrap(value), "")
        return self._found

    def _unwrap(self, value: Items) -> Items:
        while value.kind in _DICTS:
            inner = [
                key
                for key, part in value.entries.items()
                if self._holds(part) and not _is_training(key, part)
            ]
            wrapped = value.entries[inner[0]] if len(inner) == 1 else None
            is_other = any(map(self._holds, value.unnamed))
            if is_other or not isinstance(wrapped, Items) or inner[0] not in _WRAPPERS:
                break
            for key, part in value.entries.items():
                if part is not wrapped:
                    self._found.leave_out(self._way(key), self._said(key, part))
            self._found.within = self._way(inner[0])
            value = wrapped
        return value

    def _way(self, key: str) -> str:
        return f"{self._found.within}.{key}" if self._found.within else key

    def _flatten(self, value: Items, name: str) -> None:
        """Without recursion, of which containers could need any depth."""
        pending: list[tuple[str, str, Value]] = [("", name, value)]
        while pending:
            key, name, each = pending.pop()
            self._budget.step()
            if _is_training(key, each) or not self._holds(each):
                # An empty state dict has nothing to be left out.
                if name:
                    self._found.leave_out(name, self._said(key, each))
            elif isinstance(each, Tensor):
                self._add(name, each)
            elif isinstance(each, Items):
                if any(map(self._holds, each.unnamed)):
                    raise CannotConvertError(
                        f"found tensors in {quoted(name) if name else 'the checkpoint'} under keys "
                        "that are no texts, which cannot be names. Save model.state_dict() instead."
                    )
                pending += [
                    (key, f"{name}.{key}" if name else key, part) for key, part in _inner(each)
                ]

    def _add(self, name: str, tensor: Tensor) -> None:
        if name in self._found.tensors:
            raise CannotConvertError(
                f"found two tensors that are called {quoted(name)} once names are joined by dots. "
                "Rename one of them."
            )
        self._found.tensors[name] = tensor

    def _holds(self, value: Value) -> bool:
        """Whether there is a tensor in it."""
        if not isinstance(value, Items):
            return isinstance(value, Tensor)
        pending: list[Items] = [value]
        while pending:
            each = pending[-1]
            parts = [part for _, part in _inner(each)] + each.unnamed
            waiting = [p for p in parts if isinstance(p, Items) and id(p) not in self._holding]
            self._budget.step(1 + len(parts))
            if waiting:
                pending += waiting
                continue
            pending.pop()
            self._holding[id(each)] = any(
                self._holding[id(part)] if isinstance(part, Items) else isinstance(part, Tensor)
                for part in parts
            )
        return self._holding[id(value)]

    def _said(self, key: str, value: Value) -> str:
        if _is_training(key, value):
            return "state of training"
        if isinstance(value, str | int | float | bool | None):
            return "none" if value is None else type(value).__name__
        return repr(value)


def _is_training(key: str, value: Value) -> bool:
    if isinstance(value, Tensor):
        return key in _RANDOM
    if not isinstance(value, Items):
        return False
    is_optimizer = value.kind in _DICTS and value.entries.keys() >= _OPTIMIZER
    return is_optimizer or key in _TRAINING or key in _RANDOM


def _inner(items: Items) -> Iterator[tuple[str, Value]]:
    """Backwards, for a stack."""
    for index in range(len(items.parts) - 1, -1, -1):
        yield str(index), items.parts[index]
    yield from reversed(items.entries.items())
