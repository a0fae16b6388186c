"""What can be asked of many versions at once: short words of the facts of their files.

Facts are as long as what they tell of. A trait is what is left of one for a search: its kind, and a
value in which case does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

#: By kind, what its value is.
KINDS: Mapping[str, str] = {
    "architecture": "a class or type that a configuration or a GGUF file names, such as llama",
    "base-model": "what a card or an adapter's configuration names as its base",
    "class": "an estimator, by its full name",
    "code": "yes, where code lies beside or within the weights",
    "dtype": "that of a tensor, such as BF16",
    "format": "what a parser proved a file to be, such as safetensors",
    "global": "a name that a pickle imports",
    "input": "the name of an input of the model",
    "ir": "the version of ONNX's intermediate representation",
    "license": "its SPDX identifier, such as apache-2.0",
    "operator": "a name such as Conv, or com.microsoft:MatMulNBits",
    "opset": "a number such as 17, or com.microsoft:1",
    "output": "the name of an output of the model",
    "pipeline": "the class of a pipeline of diffusers",
    "producer": "the program that wrote the file",
    "quantization": "a type such as Q4_K_M, or the method that a configuration names",
    "template": "yes, where there is a chat template",
    "tokenizer": "the model of a tokenizer",
}
#: Of one file.
TRAITS_MAX = 2000
VALUE_CHARS_MAX = 200
#: Elements of all tensors, which PostgreSQL still adds up.
PARAMETERS_MAX = 2**53


class Trait(NamedTuple):
    kind: str
    value: str


@dataclass(frozen=True, kw_only=True)
class TraitQuery:
    """Versions that have all of these, each in any of their files."""

    traits: tuple[Trait, ...]
    #: Of the tensors of all files of a version together; None: any number.
    parameters_min: int | None = None
    parameters_max: int | None = None


def trait(kind: str, value: str) -> Trait:
    """As it is kept, and asked for."""
    return Trait(kind, value.casefold())


def traits_of(format: str, facts: Mapping[str, Any]) -> tuple[Trait, ...]:
    """Of one file, sorted, each once; the first TRAITS_MAX of them."""
    found = {
        trait(kind, value)
        for kind, value in _words(format, facts)
        if isinstance(value, str) and 0 < len(value) <= VALUE_CHARS_MAX and value.isprintable()
    }
    return tuple(sorted(found)[:TRAITS_MAX])


def parameters_of(facts: Mapping[str, Any]) -> int | None:
    """How many elements the tensors of one file have; None where it has none."""
    said = facts.get("parameters")
    if not isinstance(said, int):
        tensors = _objects(facts.get("tensors"))
        shapes = [each["shape"] for each in tensors if isinstance(each.get("shape"), list)]
        said = sum(map(_elements, shapes)) if shapes else None
    return None if said is None else max(0, min(said, PARAMETERS_MAX))


def _elements(shape: Sequence[Any]) -> int:
    return math.prod(each for each in shape if isinstance(each, int))


def _words(format: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "format", format
    for name, kind in _PLAIN.items():
        yield from ((kind, each) for each in _several(facts.get(name)))
    yield "ir", str(facts.get("ir_version") or "")
    yield from (("dtype", each.get("dtype")) for each in _objects(facts.get("tensors")))
    yield from (("operator", _operator(each)) for each in _objects(facts.get("operators")))
    opsets = facts.get("opsets")
    for domain, version in opsets.items() if isinstance(opsets, dict) else ():
        yield "opset", f"{domain}:{version}" if domain else str(version)
    signature = facts.get("signature")
    for kind in ("input", "output"):
        ends = signature.get(f"{kind}s") if isinstance(signature, dict) else None
        yield from ((kind, each.get("name")) for each in _objects(ends))
    method = facts.get("quantization_config")
    if isinstance(method, dict):
        yield "quantization", method.get("quant_method")
    if any(facts.get(name) for name in ("code_present", "code", "native", "auto_map")):
        yield "code", "yes"
    if facts.get("chat_templates"):
        yield "template", "yes"


#: Facts that are a word or several.
_PLAIN = {
    "architecture": "architecture",
    "architectures": "architecture",
    "model_type": "architecture",
    "base_model": "base-model",
    "base_models": "base-model",
    "classes": "class",
    "globals": "global",
    "license": "license",
    "pipeline": "pipeline",
    "producer": "producer",
    "quantization": "quantization",
    "tokenizer": "tokenizer",
}


def _operator(each: Mapping[str, Any]) -> str:
    domain, name = each.get("domain"), each.get("op_type")
    return f"{domain}:{name}" if domain else str(name or "")


def _several(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else (value,)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))
