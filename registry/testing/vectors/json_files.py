"""Settings in JSON, and what they should not say."""

from __future__ import annotations

import json
from collections.abc import Mapping

from registry.testing.vectors import Vector

_CONFIG = {
    "_name_or_path": "acme/base",
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "quantization_config": {"quant_method": "gptq", "bits": 4},
    "trust_remote_code": False,
    "target": "label",
}
_CODE = {"auto_map": {"AutoModel": "modeling_a.A", "AutoTokenizer": ["tokenization_a.T", None]}}
_FILES = {"modeling_a.py": 10, "tokenization_a.py": 10}
_CLASS = "{{ ''.__class__ }}"


def _of(
    name: str,
    rule: str,
    value: object,
    path: str = "config.json",
    files: Mapping[str, int] | None = None,
    *,
    fails: bool = True,
) -> Vector:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Vector(name=name, path=path, data=data, rule=rule, files=files or {}, fails=fails)


VECTORS = (
    _of("settings", "", _CONFIG),
    _of("infinity", "", b'{"time_step_limit": [0.0, Infinity]}'),
    _of("local-code", "", _CODE, files=_FILES),
    _of("list", "", [1, 2, {"a": None}], "data.json"),
    _of("template", "", {"chat_template": "{{ messages }}"}, "tokenizer_config.json"),
    _of(
        "named-templates",
        "",
        {"chat_template": [{"name": "default", "template": "{{ messages }}"}]},
        "tokenizer_config.json",
    ),
    _of("template-file", "", {"chat_template": "{{ messages }}"}, "chat_template.json"),
    _of(
        "modules",
        "",
        [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Pooling"}],
        "modules.json",
    ),
    _of(
        "pipeline",
        "",
        {
            "_class_name": "StableDiffusionPipeline",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "feature_extractor": [None, None],
            "scheduler": ["scheduler_a", "A"],
        },
        "model_index.json",
        {"scheduler_a.py": 10},
    ),
    _of("many-brackets", "", [[]] * 100 + ["[" * 100, '\\"' + "{" * 100], "data.json"),
    _of("no-json", "JSON-1", b"{'a': 1}"),
    _of("key-twice", "JSON-1", b'{"auto_map": {}, "auto_map": {"AutoModel": "a.A"}}'),
    _of("trailing", "JSON-1", b"{} {}"),
    _of("deep", "JSON-1", b"[" * 100_000 + b"]" * 100_000, "data.json"),
    _of("deep-behind-a-text", "JSON-1", b'["a\\"",' + b"[" * 100_000, "data.json"),
    _of("many-digits", "JSON-1", b"[" + b"9" * 5000 + b"]", "data.json"),
    _of("large", "JSON-2", b"[" + b" " * (64 * 1024 * 1024) + b"]", "data.json", fails=False),
    _of("remote-code", "CONFIG-1", {"auto_map": {"AutoModel": "acme/code--modeling_a.A"}}),
    _of("remote-in-list", "CONFIG-1", {"auto_map": {"AutoTokenizer": [None, "acme/c--t.T"]}}),
    _of("remote-inside", "CONFIG-1", {"text_config": {"auto_map": {"AutoModel": "a/b--c.D"}}}),
    _of("remote-pipeline", "CONFIG-1", {"custom_pipelines": {"x": {"impl": "a/b--c.D"}}}),
    _of("remote-part", "CONFIG-1", {"unet": ["acme/code--unet", "A"]}, "model_index.json"),
    _of("missing-module", "CONFIG-2", _CODE, files={"modeling_a.py": 10}),
    _of("pipeline-module", "CONFIG-2", {"custom_pipelines": {"x": {"impl": "a.A", "pt": ["B"]}}}),
    _of("path-as-module", "CONFIG-2", {"auto_map": {"AutoModel": "../a.A"}}),
    _of("library-os", "CONFIG-2", {"unet": ["os", "system"]}, "model_index.json"),
    _of("library-builtins", "CONFIG-2", {"unet": ["builtins", "eval"]}, "model_index.json"),
    _of("trusted", "CONFIG-3", {"trust_remote_code": True}),
    _of("trusted-inside", "CONFIG-3", {"model_args": {"trust_remote_code": True}}, "a.json"),
    _of("hydra", "CONFIG-4", {"a": [{"_target_": "os.system", "command": "id"}]}, "a.json"),
    _of("target", "CONFIG-4", {"target": "os.system", "params": {}}, "a.json"),
    _of("jsonpickle", "CONFIG-4", {"py/reduce": [{"py/function": "os.system"}]}, "a.json"),
    _of("langchain", "CONFIG-4", {"lc": 1, "type": "constructor", "id": ["a"]}, "a.json"),
    _of("keras-lambda", "CONFIG-4", {"class_name": "Lambda", "config": {}}, "a.json"),
    _of(
        "keras-module",
        "CONFIG-4",
        {"module": "builtins", "class_name": "exec", "config": {}},
        "a.json",
    ),
    _of(
        "module-type",
        "CONFIG-4",
        [{"idx": 0, "name": "0", "path": "", "type": "os.system"}],
        "modules.json",
    ),
    _of(
        "adapter-library",
        "CONFIG-4",
        {"auto_mapping": {"base_model_class": "system", "parent_library": "os"}},
        "adapter_config.json",
    ),
    _of("template-number", "CONFIG-5", {"chat_template": 1}, "tokenizer_config.json"),
    _of("template-unnamed", "CONFIG-5", {"chat_template": [{"template": "a"}]}, "a.json"),
    _of("template-file-list", "CONFIG-5", ["{{ a }}"], "chat_template.json"),
    _of("bad-template", "TEMPLATE-3", {"chat_template": _CLASS}, "tokenizer_config.json"),
    _of("bad-template-elsewhere", "TEMPLATE-3", {"a": {"chat_template": _CLASS}}, "a.json"),
    _of(
        "bad-named-template",
        "TEMPLATE-3",
        {"chat_template": [{"name": "rag", "template": _CLASS}]},
        "tokenizer_config.json",
    ),
    _of("bad-template-file", "TEMPLATE-3", {"tool_use": _CLASS}, "chat_template.json"),
    _of("pickle-as-json", "FILE-1", b"\x80\x04cos\nsystem\n."),
)
