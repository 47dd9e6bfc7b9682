# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Explain what the kernel refuses: the errno by name, the limit that was reached, the remedy."""

from __future__ import annotations

import errno
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.errors import KernelRefused, MachineUnfit
from bench.linux import capabilities, lockdown, procfs
from bench.linux.capabilities import Capability
from bench.linux.version import numbers

_INITIAL_USER_NAMESPACE: Final = 0xEFFFFFFD  # PROC_USER_INIT_INO
_MEMORY_BY_CGROUP: Final = (5, 11, 0)
"""BPF memory is charged to the memory cgroup from here on, before that to RLIMIT_MEMLOCK."""
_PARANOID: Final = 2
_NAMES: Final = {
    **errno.errorcode,
    errno.EOPNOTSUPP: "EOPNOTSUPP",
    errno.EDEADLK: "EDEADLK",
}
"""The kernel's names of errnos; Python prefers other ones for two of them."""
_NO_THREAD: Final = "can't start new thread"  # Python's words, of a RuntimeError
_ROOM: Final = "make room, in /tmp and /run too, or set TMPDIR"
_REMEDIES: Final = {
    errno.ENFILE: "raise sysctl fs.file-max, or end what holds files open",
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise ulimit -f",
    errno.EROFS: "set TMPDIR to a folder that can be written",
    errno.EAGAIN: "raise pids.max of this cgroup or ulimit -u, or end what else runs",
    errno.ENOSYS: "use a kernel with CONFIG_BPF_SYSCALL, outside of a sandbox",
}


def refused(what: str, error: OSError, *, remedy: str = "") -> KernelRefused:
    """Return the error for a failed ``what``; ``remedy`` replaces that of the errno."""
    code = error.errno or 0
    return KernelRefused(f"{what}: {named(error)}", remedy=remedy or remedy_for(code))


def named(error: OSError) -> str:
    """Return the reason and its errno, as in "Too many open files (EMFILE)"."""
    code = error.errno or 0
    return f"{os.strerror(code)} ({_NAMES[code]})" if code in _NAMES else str(error)


def name_of(code: int) -> str:
    """Return the name of an errno, as "ENOSPC"; "errno 1000" for one that has none."""
    return _NAMES.get(code, f"errno {code}")


def remedy_for(code: int) -> str:
    """Return what to do about an errno; "" if it has no usual cause."""
    if code == errno.EMFILE:
        return f"raise ulimit -n, which is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}"
    if code == errno.ENOMEM:
        return _more_memory()
    if code == errno.EACCES and _paranoid():
        return "sysctl kernel.perf_event_paranoid=2, or grant CAP_SYS_ADMIN"
    if code in (errno.EPERM, errno.EACCES):
        return _permission()
    return _REMEDIES.get(code, "")


def _more_memory() -> str:
    for limit, name in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            return f"raise ulimit {name}, which is {soft >> 10} KiB, or free memory"
    return "free memory, or raise memory.max of this cgroup"


def _paranoid() -> bool:
    """Return whether perf_event_open(2) needs CAP_SYS_ADMIN, as it may on Debian and Ubuntu."""
    level = procfs.sysctl("kernel.perf_event_paranoid") or 0
    return level > _PARANOID and Capability.SYS_ADMIN not in capabilities.held()


def _permission() -> str:
    """Return what to do about a missing permission; the outermost cause is tried first."""
    if procfs.namespace("user") not in (None, _INITIAL_USER_NAMESPACE):
        return "leave the user namespace: capabilities of one do not count for BPF and perf"
    missing = capabilities.missing_to_trace(capabilities.held())
    if missing:
        return f"run as root, or grant {' and '.join(map(str, missing))}"
    if lockdown.running() == lockdown.CONFIDENTIALITY:
        return lockdown.REMEDY
    status = procfs.read(procfs.PROC / "self/status") or ""
    if re.search(r"^Seccomp:[ \t]*2$", status, re.MULTILINE):
        return "allow bpf and perf_event_open in the seccomp filter of this container or service"
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    old = numbers(os.uname().release) < _MEMORY_BY_CGROUP
    if old and soft != resource.RLIM_INFINITY:
        return f"raise ulimit -l, which is {soft >> 10} KiB"
    return "look for a security module (AppArmor, SELinux) that forbids it: see dmesg"


def explained(error: Exception) -> MachineUnfit | None:
    """Return the error for a limit on memory, files or processes; None for other causes."""
    if _is_about_memory(error):
        return refused("this process gets no more memory", OSError(errno.ENOMEM, ""))
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return refused("no more files can be opened", error)
    no_thread = isinstance(error, RuntimeError) and error.args == (_NO_THREAD,)
    # Non-blocking writes also raise EAGAIN; exclude them.
    written = hasattr(error, "characters_written")
    no_process = isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN and not written
    if not no_thread and not no_process:
        return None
    return MachineUnfit(
        "no process or thread could be started: a limit on their number is reached",
        remedy=remedy_for(errno.EAGAIN),
    )


def _is_about_memory(error: Exception) -> bool:
    # The loader reports no errno for a library that it cannot map.
    words = str(error) if isinstance(error, OSError | ImportError) else ""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or "failed to map segment" in words
        or "cannot allocate memory" in words.lower()
    )


@contextmanager
def explain() -> Iterator[None]:
    """Raise MachineUnfit in place of Python's own errors at a limit on memory, files, processes."""
    try:
        yield
    except (RuntimeError, OSError, MemoryError, ImportError) as error:
        if (too_many := explained(error)) is not None:
            raise too_many from error
        raise
