"""What has to be true of an HDF5 file. Source of all of `hdf5_*.py`: the HDF5 File Format
Specification, version 3.0, to whose sections comments refer.

What is covered is what h5py and Keras write unless told otherwise: superblocks of versions 0, 2
and 3, groups as symbol tables or as link messages, attributes in object headers, data that are
contiguous, compact, or in chunks with a version 1 B-tree. What else libraries can write is unknown.
"""

from __future__ import annotations

from typing import NoReturn

from registry.formats.look import Look, Rule, StopLooking, quoted

_SAVE = "Write the file again with h5py or Keras, and push a new version."
_PLAIN = "Write it with h5py's defaults, without options, or save it as safetensors."

SUPERBLOCK = Rule(
    "HDF5-1",
    "The superblock is the file's first part, of a version and sizes that are known, and says that "
    "the file was closed.",
    _SAVE,
)
END = Rule("HDF5-2", "The file ends where its superblock says.", _SAVE)
PLACE = Rule("HDF5-3", "Each part lies within the file and shares no byte with another.", _SAVE)
CHECKSUM = Rule("HDF5-4", "Each checksum is that of the bytes it stands for.", _SAVE)
STRUCTURE = Rule(
    "HDF5-5", "Headers, messages, trees and heaps are whole and agree with each other.", _SAVE
)
LINK = Rule(
    "HDF5-6",
    "Links lead straight to objects of this file: none is soft, external or user-defined.",
    "Copy what the links lead to into the file, and push a new version.",
)
STORAGE = Rule(
    "HDF5-7",
    "All data lie in this file: none in external files, none in virtual datasets.",
    "Copy the data into one file (h5repack does), and push a new version.",
)
FILTER = Rule(
    "HDF5-8",
    "Chunks are packed with deflate, shuffle and fletcher32 alone: other filters load native code.",
    "Write the datasets without compression or with gzip, and push a new version.",
)
SIZE = Rule("HDF5-9", "A dataset has the bytes that its type and shape say.", _SAVE)
TREE = Rule(
    "HDF5-10",
    "Each object is linked once, and no group lies in itself.",
    "Copy objects that have several names, or leave all names but one.",
)
TYPE = Rule("HDF5-11", "Values are whole numbers, floats, booleans, texts or plain bytes.", _PLAIN)
COVERED = Rule(
    "HDF5-12", "The file uses what is covered: parts of known versions and kinds.", _PLAIN
)
UNUSED = Rule(
    "HDF5-13",
    "Bytes that no part uses are zero.",
    "Copy the file with h5repack, which leaves unused bytes out, and push a new version.",
)
PACKED = Rule("HDF5-14", "Each packed chunk unpacks to one whole chunk, to the last bit.", _SAVE)
NAME = Rule(
    "HDF5-15",
    "Names of objects and attributes are UTF-8 texts, and no two in one place are the same.",
    _SAVE,
)
PICKLE = Rule(
    "HDF5-16",
    "No attribute holds a pickle that calls something: PyTables, hence pandas, loads those.",
    "Leave that attribute out, and push a new version.",
)
RULES = (
    SUPERBLOCK,
    END,
    PLACE,
    CHECKSUM,
    STRUCTURE,
    LINK,
    STORAGE,
    FILTER,
    SIZE,
    TREE,
    TYPE,
    COVERED,
    UNUSED,
    PACKED,
    NAME,
    PICKLE,
)


def give_up(look: Look, rule: Rule, message: str, *, offset: int | None = None) -> NoReturn:
    """Note what nobody can vouch for, where the rest cannot be told without it."""
    look.doubt(rule, message, offset=offset)
    raise StopLooking


def said(found: bytes) -> str:
    """Bytes of a file as a message may say them."""
    return quoted(found.decode("latin-1"))
