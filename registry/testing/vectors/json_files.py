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


def _keras(name: str, module: str) -> Mapping[str, object]:
    return {"class_name": name, "module": module, "config": {"units": 1}}


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
    *(
        _of(f"below-{value}", "CONFIG-4", {"_target_": value}, "a.json")
        for value in (
            "transformers.utils.hub.os.system",
            "torch.nn.modules.module.functools.partial",
            "torch.optim.lr_scheduler.types.FunctionType",
            "diffusers.utils.import_utils.importlib.import_module",
            "transformers.dynamic_module_utils.get_class_from_dynamic_module",
        )
    ),
    *(
        _of(f"class-{value}", "", {"_target_": value}, "a.json")
        for value in (
            "torch.nn.GELU",
            "torch.nn.functional.gelu",
            "torch.optim.lr_scheduler.CosineAnnealingLR",
            "transformers.get_cosine_schedule_with_warmup",
        )
    ),
    _of("keras-function", "CONFIG-4", _keras("get_file", "keras.utils"), "a.json"),
    _of("keras-class", "", _keras("Dense", "keras.layers"), "a.json"),
    _of("keras-torch", "CONFIG-4", _keras("TorchModuleWrapper", "keras.layers"), "a.json"),
    _of(
        "keras-file",
        "CONFIG-4",
        {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
        "a.json",
    ),
    _of("kernel", "CONFIG-1", {"attn_implementation": "acme/kernels"}),
    _of("no-kernel", "", {"_attn_implementation": "flash_attention_2"}),
    _of("pipeline-of-os", "CONFIG-2", {"a": ["importlib", "StableX"]}, "model_index.json"),
    _of("shards", "", {"weight_map": {"a": "model-00001-of-00002.safetensors"}}, "a.json"),
    _of("shard-above", "CONFIG-6", {"weight_map": {"a": "../w.safetensors"}}, "a.json"),
    _of("shard-of-root", "CONFIG-6", {"weight_map": {"a": "/etc/passwd"}}, "a.json"),
    _of("shard-of-share", "CONFIG-6", {"weight_map": {"a": "\\\\host\\w"}}, "a.json"),
    _of(
        "module-above",
        "CONFIG-6",
        [{"idx": 0, "path": "../x", "type": "sentence_transformers.models.Pooling"}],
        "modules.json",
    ),
    _of("prompt", "TEMPLATE-3", {"system_prompt": _CLASS}, "a.json"),
    _of("prompt-in-list", "TEMPLATE-3", {"prompts": ["a", ["{% if x|attr('y') %}"]]}, "a.json"),
    _of("prompt-imports", "TEMPLATE-3", {"p": "{{ __import__('os').popen('id') }}"}, "a.json"),
    _of("template-elsewhere", "TEMPLATE-4", {"prompt_template": "{{ ''['__cla' ~ 'ss__'] }}"}),
    _of(
        "prompts",
        "",
        {
            "go_template": "{{ if .System }}{{ .System }}{{ end }}",
            "prompt_template": "{{ question | wordwrap }} {{ now() }}",
            "code": "def __init__(self): {{ }} __class__",
            "vocab": ["{{", "}}", "__init__", "{%"],
        },
        "a.json",
    ),
    _of("langchain", "CONFIG-4", {"lc": 1, "type": "constructor", "id": ["a"]}, "a.json"),
    _of("keras-lambda", "CONFIG-4", {"class_name": "Lambda", "config": {}}, "a.json"),
    _of("class-as-list", "", {"class_name": ["Lambda"], "config": {}}, "a.json"),
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
