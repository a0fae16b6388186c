"""Locking a process in: what it may do from here on, enforced by the kernel, for good.

Three layers, each of which suffices against most, so that a mistake in one is not the end:

- **rlimits**: memory, processor time, no byte written to a file, or so many where it is handed one
  to write, no core, no further processes.
- **Landlock** (kernel 5.13): no path can be opened, made, renamed or removed, but for reading below
  folders that are named; from ABI 4 on no TCP port bound or connected to; from ABI 6 on no signal
  to and no abstract socket of others.
- **seccomp**: the system calls that are needed to compute, and to read and answer on descriptors
  that are open already. Whatever else is asked for, also what kernels will learn one day, is EPERM;
  memory that can be executed cannot be had.

It works without privileges. Modules are all imported before, since their files cannot be opened
afterwards.

Sources: landlock(7), seccomp(2), include/uapi/linux/{landlock,seccomp,filter,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Iterable, Sequence

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_NO_NEW_PRIVS = 38
PR_SET_DUMPABLE = 4

# Landlock's numbers are the same on all machines.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION = 1
_LANDLOCK_PATH_BENEATH = 1
#: To read a file, and to list a folder.
_READING = 0b1100
#: Rights over files by the ABI that brought them: 13, then refer, truncate, ioctl on devices.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
_NETWORK_RIGHTS = 0b11
_SCOPES = 0b11

# seccomp's: offsets in struct seccomp_data, and classic BPF.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_GREATER, _RETURN = 0x20, 0x15, 0x45, 0x25, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_SECCOMP_SET_MODE_FILTER = 1
_PROT_EXEC = 4

#: Calls that only compute, by name and number: x86-64, aarch64.
_CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "exit": (60, 93),
    "getrusage": (98, 165),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
#: As above, but never with PROT_EXEC, their third argument.
_MEMORY_CALLS = {"mmap": (9, 222), "mprotect": (10, 226)}
#: What else it takes to read files below a folder. Nothing forbids to look at other paths with
#: them, whose sizes and times can so be learned; their content cannot.
_OPENING_CALLS = {
    "getdents64": (217, 61),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "statx": (332, 291),
    "faccessat2": (439, 439),
}
#: The same under names that only x86-64 has.
_OLD_OPENING_CALLS = {"stat": 4, "lstat": 6, "access": 21, "readlink": 89}
#: Never to write, append, make or truncate: by its flags, the third argument too.
_OPENAT = (257, 56)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
#: On x86-64, numbers from here on are calls of another convention.
_X32 = 0x40000000


class LockdownError(Exception):
    """A layer cannot be had on this machine; `layer` says which."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer = layer


def limit(*, memory_bytes: int, cpu_s: int, descriptors: int, file_bytes: int = 0) -> None:
    """The first layer. `file_bytes`: so far may be written into a file that is open for it already;
    none can be opened to be written by any layer's leave. To a limit that is lower already it
    stays."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, descriptors),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def landlock_abi() -> int:
    """Which rights this kernel can take away; 0: none."""
    found = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION))
    return max(found, 0)


def close_files(folders: Iterable[str] = ()) -> None:
    """The second layer, with all rights that this kernel knows. Files below `folders` can be read,
    and those folders listed. LockdownError where this kernel has none, OSError for no folder."""
    abi = landlock_abi()
    if not abi:
        raise LockdownError("landlock", "this kernel has none, or it is switched off")
    _no_new_privileges("landlock")
    rights = max(count for since, count in _FILE_RIGHTS.items() if since <= abi)
    ruleset = struct.pack(
        "=QQQ",
        (1 << rights) - 1,
        _NETWORK_RIGHTS if abi >= 4 else 0,
        _SCOPES if abi >= 6 else 0,
    )[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    descriptor = _libc.syscall(_LANDLOCK_CREATE_RULESET, ruleset, len(ruleset), 0)
    if descriptor < 0:
        raise _failed("landlock")
    try:
        for folder in folders:
            _leave_readable(descriptor, folder)
        # What is handled and no rule allows is denied, everywhere.
        if _libc.syscall(_LANDLOCK_RESTRICT_SELF, descriptor, 0):
            raise _failed("landlock")
    finally:
        os.close(descriptor)


def _leave_readable(ruleset: int, folder: str) -> None:
    """A rule for the folder itself and what lies below it: what a link there leads to does not."""
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", _READING, parent)
        if _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0):
            raise _failed("landlock")
    finally:
        os.close(parent)


def close_calls(*, opening: bool = False) -> None:
    """The third layer, for all threads of the process. `opening`: files can be opened for reading,
    as far as the second layer lets them. LockdownError where there is none."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise LockdownError("seccomp", f"no list of system calls for {platform.machine()}")
    _no_new_privileges("seccomp")
    column, arch, seccomp = machine
    code = b"".join(struct.pack("=HBBI", *each) for each in _filter(column, arch, opening=opening))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    if _libc.syscall(seccomp, _SECCOMP_SET_MODE_FILTER, 1, program):
        raise _failed("seccomp")


def _filter(column: int, arch: int, *, opening: bool) -> Sequence[tuple[int, int, int, int]]:
    """BPF: code, where to jump if true and if false, by instructions, and a constant."""
    allow = (_RETURN, 0, 0, _ALLOW)
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_GREATER, 0, 1, _X32 - 1),
        (_RETURN, 0, 0, _KILL),
    ]
    calls = [numbers[column] for numbers in _CALLS.values()]
    limited = [(numbers[column], _PROT_EXEC) for numbers in _MEMORY_CALLS.values()]
    if opening:
        calls += [numbers[column] for numbers in _OPENING_CALLS.values()]
        calls += [] if column else _OLD_OPENING_CALLS.values()
        limited.append((_OPENAT[column], _WRITING))
    for number in calls:
        program += [(_JUMP_EQUAL, 0, 1, number), allow]
    for number, bits in limited:
        program += [
            (_JUMP_EQUAL, 0, 4, number),
            # The low half of the third argument, on little-endian machines as these are.
            (_LOAD, 0, 0, _ARGUMENTS + 2 * 8),
            (_JUMP_SET, 1, 0, bits),
            allow,
            (_RETURN, 0, 0, _ERRNO),
        ]
    return [*program, (_RETURN, 0, 0, _ERRNO)]


def _no_new_privileges(layer: str) -> None:
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _failed(layer)


def _failed(layer: str) -> LockdownError:
    return LockdownError(layer, os.strerror(ctypes.get_errno()))
