"""Files that are machine code, or that only their own runtime can read: nobody can prove them here.

Machine code runs when it is loaded. Engines and programs of runtimes (TensorRT, ExecuTorch) hold
machine code, or bytes that the runtime trusts as it trusts itself; R's serialised objects hold
promises that are evaluated on access (CVE-2024-27322); compiled Python is code whose source nobody
reviewed. They are refused, whatever is in them: a build of one's own, with a signature, is how they
come in.

CoreML's and OpenVINO's models are descriptions of graphs that nothing here reads yet: unknown.
"""

from __future__ import annotations

from registry.formats import foreign
from registry.formats.kinds import TEXT, content_of
from registry.formats.look import Look, Rule, quoted

_CONVERT = "Push the model as ONNX, safetensors or GGUF, and build what the device needs from that."
NATIVE = Rule(
    "NATIVE-1",
    "Machine code comes from signed internal builds, never as a file of a model.",
    "Leave libraries and programs out of the version; install them with the software that needs "
    "them.",
)
ENGINE = Rule(
    "NATIVE-2",
    "Engines and programs of one runtime (TensorRT, ExecuTorch) come from signed internal builds.",
    _CONVERT,
)
COMPILED = Rule(
    "NATIVE-3",
    "Python is pushed as source, not compiled.",
    "Leave .pyc files and __pycache__ folders out of the version.",
)
RDS = Rule(
    "NATIVE-4",
    "No R objects are in a version: reading them evaluates what they hold.",
    _CONVERT,
)
OPAQUE = Rule("NATIVE-5", "No model is in a format of one vendor that is not read here.", _CONVERT)
RULES = (NATIVE, ENGINE, COMPILED, RDS, OPAQUE)

_MAGIC = (
    (b"\x7fELF", "ELF"),
    (b"MZ", "PE"),
    (b"\xca\xfe\xba\xbe", "Mach-O"),
    (b"\xfe\xed\xfa\xce", "Mach-O"),
    (b"\xfe\xed\xfa\xcf", "Mach-O"),
    (b"\xce\xfa\xed\xfe", "Mach-O"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"!<arch>\n", "ar archive"),
    (b"\0asm", "WebAssembly"),
    (b"ftrt", "TensorRT engine"),
    (b"ptrt", "TensorRT engine"),
)
#: ELF's `e_machine`, PE's `Machine`.
_ELF_MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "AArch64", 190: "CUDA", 243: "RISC-V"}
_PE_MACHINES = {0x14C: "x86", 0x8664: "x86-64", 0xAA64: "AArch64"}


def read(look: Look) -> None:
    """Machine code. Facts: `native`, what it is, as far as the header says."""
    kind = _kind(look)
    look.facts["native"] = kind
    look.refuse(NATIVE, f"found {kind}, expected no machine code", offset=0)


def read_engine(look: Look) -> None:
    look.refuse(ENGINE, f"found {quoted(look.source.read(0, 8))} as its first bytes", offset=0)


def read_compiled(look: Look) -> None:
    look.refuse(COMPILED, f"found {quoted(look.source.read(0, 4))} as its first bytes", offset=0)


def read_rds(look: Look) -> None:
    look.refuse(RDS, f"found {look.source.size_bytes} bytes of R objects, expected none")


def read_opaque(look: Look) -> None:
    if content_of(look.source) == TEXT:
        foreign.check_text(look)
    if look.book.is_sound:
        look.doubt(OPAQUE, f"found {look.source.size_bytes} bytes that nothing here can read")


def _kind(look: Look) -> str:
    head = look.source.read(0, 64)
    kind = next(
        (name for magic, name in _MAGIC if head.startswith(magic)), "bytes of no known kind"
    )
    machine = ""
    if kind == "ELF" and len(head) >= 20:
        field = head[18:20] if head[5] == 2 else head[19:17:-1]
        machine = _ELF_MACHINES.get(int.from_bytes(field, "big"), "")
    elif kind == "PE" and len(head) == 64:
        at = int.from_bytes(head[60:64], "little")
        header = look.source.read(at, 6)
        if header[:4] == b"PE\0\0":
            machine = _PE_MACHINES.get(int.from_bytes(header[4:6], "little"), "")
    return f"{kind} for {machine}" if machine else kind
