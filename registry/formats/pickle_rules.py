"""What has to be true of a pickle, wherever it is found: the rules of the interpreter."""

from __future__ import annotations

from registry.formats.look import Rule

#: Whoever has more is not looked at.
OPCODES_MAX = 5_000_000
#: Tuples, containers and what calls make; each takes some 400 bytes.
OBJECTS_MAX = 2_000_000
#: Parts of a value when shared ones are counted each time: what whoever walks it has to visit.
PARTS_MAX = 50_000_000
#: The same of a dict's key or a set's element, which are hashed anew each time.
KEY_PARTS_MAX = 10_000

_SAVE = "Save it again with the library's own function, and push a new version."
CONVERT = "Convert the model to safetensors, ONNX or GGUF and push that, or ask for a waiver."

STREAM = Rule(
    "PICKLE-1",
    "A pickle is one whole stream of opcodes that its protocol has, beginning with PROTO from "
    "protocol 2 on.",
    _SAVE,
)
FRAME = Rule("PICKLE-2", "Frames of a pickle begin and end where opcodes do.", _SAVE)
END = Rule("PICKLE-3", "Nothing follows the pickle's STOP.", _SAVE)
STACK = Rule(
    "PICKLE-4", "Each opcode finds on the stack what it takes, and STOP one value alone.", _SAVE
)
MEMO = Rule(
    "PICKLE-5",
    "A slot of the memo is written once and before it is read; opcodes outnumber slots.",
    _SAVE,
    revision=2,
)
OPCODE = Rule(
    "PICKLE-6",
    "The pickle has only opcodes that writers of tensors and plain values use: none of INST, OBJ, "
    "EXT, DUP, POP, POP_MARK, PERSID and out-of-band buffers.",
    CONVERT,
)
LITERAL = Rule("PICKLE-7", "The names of what a pickle imports are literal texts.", CONVERT)
LISTED = Rule(
    "PICKLE-8", "A pickle imports nothing but what is on the list of its format.", CONVERT
)
CALL = Rule(
    "PICKLE-9",
    "A pickle calls only what it imports by name, with arguments as the format's writers pass "
    "them.",
    CONVERT,
)
STATE = Rule(
    "PICKLE-10",
    "BUILD gives a state of the form that the format's writers give, to an object that has none "
    "yet.",
    CONVERT,
)
FILL = Rule(
    "PICKLE-11",
    "Items go into lists, dicts and sets that this pickle made, before these go anywhere, and keys "
    "are plain values.",
    _SAVE,
)
PERSISTENT = Rule(
    "PICKLE-12",
    "Persistent ids are those of storages as torch.save writes them, in files of torch.",
    CONVERT,
)
SIZE = Rule(
    "PICKLE-13",
    f"A pickle's value has at most {PARTS_MAX:,} parts, shared ones counted each time.",
    _SAVE,
)
ARRAY = Rule(
    "PICKLE-14",
    "Arrays have a dtype of plain numbers, texts or times, and as many bytes as dtype and shape "
    "say.",
    CONVERT,
)
PLACE = Rule(
    "PICKLE-15",
    "What a pickle imports to call is not kept as a value, and no object is half made.",
    CONVERT,
)
RULES = (
    STREAM,
    FRAME,
    END,
    STACK,
    MEMO,
    OPCODE,
    LITERAL,
    LISTED,
    CALL,
    STATE,
    FILL,
    PERSISTENT,
    SIZE,
    ARRAY,
    PLACE,
)
