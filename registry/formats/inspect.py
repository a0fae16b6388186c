"""Looks at one file: bytes first, then the name, then the parser that both lead to.

All three must agree. What no row of the table covers is unknown, hence stays in quarantine: a
format is let in by a parser that proves it, never by the absence of a reason against it.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry.domain.file_formats import OTHER
from registry.formats import (
    compressed,
    foreign,
    gguf,
    hdf5_file,
    images,
    joblib_file,
    json_file,
    keras_file,
    model_archives,
    native,
    notebook,
    npy,
    onnx,
    onnx_sample,
    other_archives,
    pickle_file,
    python_source,
    requirements,
    safetensors,
    sentencepiece,
    skops_file,
    tar,
    template,
    tensorflow,
    tensorflow_checkpoint,
    tensorflow_text,
    text_file,
    tflite,
    torch_legacy,
    torch_zip,
    zip_container,
)
from registry.formats.kinds import BINARY, EMPTY, REFUSED, TEXT, content_of
from registry.formats.look import (
    DEPTH_MAX,
    Budget,
    Checksum,
    Effect,
    Look,
    Note,
    Notebook,
    Rule,
    SpentError,
    StopLooking,
)
from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.source import Source, SourceError, pieces

logger = logging.getLogger(__name__)

_CONVERT = "Convert the model to safetensors, ONNX or GGUF, and push that."
AGREE = Rule(
    "FILE-1",
    "A file's bytes are of the kind that its name says.",
    "Give the file the name of its format, or push the file that belongs under this name.",
)
COVERED = Rule("FILE-2", "A strict parser knows the format.", _CONVERT)
WHOLE = Rule(
    "FILE-3",
    "The parser came to the end of the file within its limits of time, memory and size.",
    "Push a smaller file, or one in a simpler format. If it is sound, tell the server's operator.",
)
NESTED = Rule(
    "FILE-4",
    f"Containers lie in each other at most {DEPTH_MAX} deep.",
    "Unpack the inner archives, and push their files.",
)
FORESEEN = Rule(
    "FILE-5",
    "No parser failed in a way that it did not foresee.",
    "The server's log has the details; tell its operator.",
)
#: Apart from COVERED, which a model may make good that says where its tensors lie in a file
#: (`registry/vetting/vouching.py`): tensors are no text.
TEXT_NAMED = Rule(
    "FILE-6",
    "A text has a name that says what it is for.",
    "Give it an ending such as .txt, .md or .json, if it is that, and push a new version.",
)
RULES = (AGREE, COVERED, WHOLE, NESTED, FORESEEN, TEXT_NAMED)


@dataclass(frozen=True)
class Parser:
    #: The format that it proves, as facts and policies call it.
    format: str
    read: Callable[[Look], None]


#: Whatever the bytes look like: for names that are enough to refuse or doubt a file.
ANY = "any"
#: Pickles of protocols 0 and 1 begin with any opcode.
_PICKLED = ("pickle", TEXT, BINARY)
#: joblib's.
_PACKED = ("zlib", "gzip", "bzip2", "xz", "lzma", "lz4")
#: By what the name says (`domain/file_formats.py`) and what the bytes look like.
PARSERS: Mapping[tuple[str, str], Parser] = {
    ("safetensors", "safetensors"): Parser("safetensors", safetensors.read),
    **{("pickle", content): Parser("pickle", pickle_file.read) for content in _PICKLED},
    **{("torch-pickle", content): Parser("torch", torch_legacy.read) for content in _PICKLED},
    ("bin", "pickle"): Parser("torch", torch_legacy.read),
    # torch.save does not mind the name.
    **{
        (role, "zip"): Parser("torch", torch_zip.read) for role in ("torch-pickle", "bin", "pickle")
    },
    **{("joblib", content): Parser("joblib", joblib_file.read) for content in _PICKLED},
    ("skops", "zip"): Parser("skops", skops_file.read),
    **{("joblib", content): Parser("joblib", joblib_file.read) for content in _PACKED},
    ("keras", "zip"): Parser("keras", keras_file.read),
    ("hdf5", "hdf5"): Parser("hdf5", hdf5_file.read),
    ("numpy", "npy"): Parser("numpy", npy.read),
    ("numpy", "zip"): Parser("numpy", npy.read_npz),
    ("archive", "zip"): Parser("zip", zip_container.read),
    ("archive", "tar"): Parser("tar", tar.read),
    ("archive", "gzip"): Parser("tar", compressed.read_archive),
    ("archive", "bzip2"): Parser("tar", compressed.read_archive),
    ("archive", "xz"): Parser("tar", compressed.read_archive),
    ("archive", "7z"): Parser("7z", other_archives.read),
    ("archive", "rar"): Parser("rar", other_archives.read),
    ("torch-pickle", "7z"): Parser("7z", other_archives.read),
    ("torch-pickle", "rar"): Parser("rar", other_archives.read),
    ("pickle", "7z"): Parser("7z", other_archives.read),
    ("nemo", "tar"): Parser("nemo", model_archives.read_nemo),
    ("nemo", "gzip"): Parser("nemo", model_archives.read_nemo),
    ("torch-archive", "zip"): Parser("torch-archive", model_archives.read_mar),
    ("compressed", "gzip"): Parser("gzip", compressed.read_alone),
    ("compressed", "bzip2"): Parser("bzip2", compressed.read_alone),
    ("compressed", "xz"): Parser("xz", compressed.read_alone),
    ("compressed", "lzma"): Parser("lzma", compressed.read_alone),
    ("compressed", "lz4"): Parser("lz4", compressed.read_alone),
    ("image", "png"): Parser("png", images.read_png),
    ("image", "jpeg"): Parser("jpeg", images.read_jpeg),
    ("image", "gif"): Parser("gif", images.read_gif),
    ("onnx", BINARY): Parser("onnx", onnx.read),
    ("onnx-sample", BINARY): Parser("onnx-sample", onnx_sample.read),
    # As a tensor looks whose first dimension is 29, and others.
    ("onnx-sample", "zlib"): Parser("onnx-sample", onnx_sample.read),
    ("tensorflow", BINARY): Parser("tensorflow", tensorflow.read),
    ("tensorflow-graph", BINARY): Parser("tensorflow-graph", tensorflow.read_graph),
    ("tensorflow-fingerprint", BINARY): Parser("tensorflow", tensorflow.read_fingerprint),
    ("tensorflow-meta", BINARY): Parser("tensorflow-meta", tensorflow.read_meta),
    ("tensorflow-meta", TEXT): Parser("text", text_file.read_text),
    ("keras-metadata", BINARY): Parser("keras-metadata", tensorflow.read_keras),
    ("tensorflow-text", TEXT): Parser("tensorflow-text", tensorflow_text.read_model),
    ("graph-text", TEXT): Parser("text", tensorflow_text.read_graph),
    ("graph-text", EMPTY): Parser("text", tensorflow_text.read_graph),
    ("tensorflow-index", BINARY): Parser("tensorflow", tensorflow_checkpoint.read),
    ("tflite", "tflite"): Parser("tflite", tflite.read),
    ("native-code", "native"): Parser("native-code", native.read),
    ("native-code", ANY): Parser("native-code", native.read),
    ("tensorrt", ANY): Parser("tensorrt", native.read_engine),
    ("executorch", "executorch"): Parser("executorch", native.read_engine),
    ("executorch", ANY): Parser("executorch", native.read_engine),
    ("python-compiled", ANY): Parser("python-compiled", native.read_compiled),
    ("rds", ANY): Parser("rds", native.read_rds),
    ("coreml", BINARY): Parser("coreml", native.read_opaque),
    ("openvino", TEXT): Parser("openvino", native.read_opaque),
    ("foreign-code", ANY): Parser("foreign-code", foreign.read_program),
    ("startup-code", ANY): Parser("code", foreign.read_startup),
    ("gguf", "gguf"): Parser("gguf", gguf.read),
    ("chat-template", TEXT): Parser("chat-template", template.read),
    ("chat-template-json", TEXT): Parser("json", json_file.read_template),
    ("pipeline-index", TEXT): Parser("json", json_file.read_index),
    ("config", TEXT): Parser("json", json_file.read),
    ("tokenizer-config", TEXT): Parser("json", json_file.read),
    ("json", TEXT): Parser("json", json_file.read),
    ("yaml", TEXT): Parser("yaml", text_file.read_yaml),
    ("card", TEXT): Parser("card", text_file.read_card),
    ("card", EMPTY): Parser("card", text_file.read_card),
    ("notebook", TEXT): Parser("notebook", notebook.read),
    ("text", TEXT): Parser("text", text_file.read_text),
    ("text", EMPTY): Parser("text", text_file.read_text),
    ("requirements", TEXT): Parser("text", requirements.read),
    ("requirements", EMPTY): Parser("text", requirements.read),
    ("python", TEXT): Parser("code", python_source.read),
    ("python", EMPTY): Parser("code", python_source.read),
    ("code", TEXT): Parser("code", text_file.read_code),
    ("code", EMPTY): Parser("code", text_file.read_code),
    ("tiktoken", TEXT): Parser("tiktoken", text_file.read_tiktoken),
    ("sentencepiece", BINARY): Parser("sentencepiece", sentencepiece.read),
    #: Llama 3 keeps tiktoken's list under sentencepiece's name.
    ("sentencepiece", TEXT): Parser("tiktoken", text_file.read_tiktoken),
}
#: Of all parsers, in one place: no two have one id, and the rules digest is made of them.
ALL_RULES: tuple[Rule, ...] = (
    *RULES,
    *safetensors.RULES,
    *pickle_file.RULES,
    *torch_legacy.RULES,
    *torch_zip.RULES,
    *joblib_file.RULES,
    *skops_file.RULES,
    *npy.RULES,
    *keras_file.RULES,
    *hdf5_file.RULES,
    *zip_container.RULES,
    *tar.RULES,
    *compressed.RULES,
    *other_archives.RULES,
    *model_archives.RULES,
    *images.RULES,
    *onnx.RULES,
    *onnx_sample.RULES,
    *native.RULES,
    *foreign.RULES,
    *requirements.RULES,
    *python_source.RULES,
    *notebook.RULES,
    *tensorflow.RULES,
    *tensorflow_checkpoint.RULES,
    *tensorflow_text.RULES,
    *tflite.RULES,
    *gguf.RULES,
    *template.RULES,
    *json_file.RULES,
    *text_file.RULES,
    *sentencepiece.RULES,
)
#: A file of the name `x.bin` may be of many formats.
_NAMED = {named for named, _ in PARSERS} - {"bin"}
_KNOWN = {content for _, content in PARSERS} - {ANY, BINARY, EMPTY, TEXT}


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What one file is. Of its bytes, the role of its name and the sizes of its neighbours, and of
    nothing else."""

    #: Empty where no parser covers it.
    format: str
    sha256: str
    size_bytes: int
    book: Notebook

    @property
    def effect(self) -> Effect:
        """FAIL, UNKNOWN, or ADVICE for a file that passes."""
        effects = {note.effect for note in self.book.notes} | set(self.book.more)
        worst = (each for each in (Effect.FAIL, Effect.UNKNOWN) if each in effects)
        return next(worst, Effect.ADVICE)


def inspect(
    source: Source, role: str, files: Mapping[str, int], budget: Budget | None = None
) -> Inspection:
    """Look at a file with all its members, and read each of its bytes once more, to hash them.

    SourceError where the file cannot be read; nothing else.
    """
    book = Notebook()
    look = Look(
        source=source, role=role, files=files, budget=budget or Budget(), book=book, inspect=_look
    )
    parser = _look(look)
    return Inspection(
        format=parser.format if parser else "",
        sha256=_sweep(source, book),
        size_bytes=source.size_bytes,
        book=book,
    )


def _look(look: Look) -> Parser | None:
    """Look at a file or a member. Nothing but SourceError comes out."""
    try:
        parser = _choose(look)
        if parser is not None:
            parser.read(look)
    except StopLooking:
        return None
    except (SpentError, MemoryError) as error:
        look.doubt(WHOLE, str(error) or "it takes more memory than is given to one file")
        return None
    except SourceError:
        raise
    except Exception as error:
        # A parser that trips has proved nothing.
        logger.exception("a parser crashed")
        look.doubt(FORESEEN, f"found {type(error).__name__}")
        return None
    return parser


def _choose(look: Look) -> Parser | None:
    content = content_of(look.source)
    if look.depth > DEPTH_MAX:
        look.stop(NESTED, f"found a member {look.depth} deep")
    parser = PARSERS.get((look.role, content)) or PARSERS.get((look.role, ANY))
    if parser is None and (look.role in _NAMED or content in _KNOWN or content in REFUSED):
        look.stop(AGREE, f"found {_said(content)}, expected what the name says: {look.role}")
    if parser is None:
        if content in (TEXT, BINARY) and looks_like_pickle(look.source):
            # Behind so much that its head did not tell.
            look.stop(AGREE, f"found pickle bytes, expected what the name says: {look.role}")
        if content == TEXT:
            foreign.check_text(look)
        rule = TEXT_NAMED if content == TEXT else COVERED
        name = "that tells no format" if look.role == OTHER else f"of kind {look.role}"
        look.doubt(rule, f"found {_said(content)} under a name {name}")
    return parser


def _said(content: str) -> str:
    return {EMPTY: "no bytes", BINARY: "bytes of no known kind"}.get(content, f"{content} bytes")


def _sweep(source: Source, book: Notebook) -> str:
    """The sha256 of all bytes; checksums of parts are compared on the way."""
    digest = hashlib.sha256()
    pending = sorted(book.checksums, key=lambda each: (each.start, each.end), reverse=True)
    crc32, at = 0, 0
    for piece in pieces(source):
        digest.update(piece)
        view = memoryview(piece)
        end = at + len(piece)
        while pending and pending[-1].start < end:
            check = pending[-1]
            crc32 = zlib.crc32(view[max(0, check.start - at) : check.end - at], crc32)
            if check.end > end:
                break
            pending.pop()
            _compare(book, check, crc32)
            crc32 = 0
        at = end
    for check in pending:
        # Of no bytes, at the very end.
        _compare(book, check, crc32)
    return digest.hexdigest()


def _compare(book: Notebook, check: Checksum, crc32: int) -> None:
    if crc32 != check.crc32:
        message = f"found bytes of CRC-32 {crc32:08x}, expected {check.crc32:08x}"
        book.add(Note(rule=check.rule, message=message, effect=Effect.FAIL, member=check.member))
