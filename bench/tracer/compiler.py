# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bcc: its version, what it compiles, and a kernel source tree just large enough for it.

bcc wants the headers of the running kernel, which CI machines and cloud guests seldom have.
bufbench's programs use none of them: offsets come from BTF. What bcc's own preamble includes is
little, and it honours BCC_KERNEL_SOURCE.
"""

from __future__ import annotations

import ctypes as ct
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from bench import paths
from bench.errors import MachineUnfit
from bench.host import scratch
from bench.linux import libc

_Result = TypeVar("_Result")

OLDEST_BCC: Final = (0, 26)
"""Debian 12's: the oldest that was seen working without kernel headers."""

_INSTALL: Final = "apt-get install python3-bpfcc"
_INCLUDE: Final = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)
_VARIABLE: Final = "BCC_KERNEL_SOURCE"
_MS_BIND: Final = 0x1000
_M_ARENA_MAX: Final = -8  # of mallopt(3)
_OTHERS: Final = "#define TASK_COMM_LEN 16\n#define __user\n"
_OTHERS_CONFIG: Final = (
    "#pragma once\n#define CONFIG_BPF_SYSCALL 1\n#define CONFIG_ARCH_HAS_SYSCALL_WRAPPER 1\n"
)
_OTHERS_EMPTY: Final = (
    "include/linux/fs.h",
    "include/linux/nsproxy.h",
    "include/linux/pid_namespace.h",
    "include/uapi/linux/utsname.h",
)
_EMPTY: Final = (
    "include/linux/log2.h",
    "include/linux/sched.h",
    "include/linux/bpf_common.h",
    "include/uapi/linux/bpf_common.h",
    "include/uapi/linux/if_packet.h",
    "include/uapi/linux/if_ether.h",
    "include/uapi/linux/ptrace.h",
    "include/generated/autoconf.h",
    # bcc knows the folders of these by the machine's name.
    *(f"arch/{each}/include/generated/.made-by-bufbench" for each in ("x86", "arm64")),
)


def bcc_version() -> str:
    """Import bcc and return its version; MachineUnfit if it is missing or too old."""
    try:
        import bcc
    except ImportError as error:
        raise MachineUnfit(f"bcc cannot be imported ({error})", remedy=_INSTALL) from error
    if not hasattr(bcc, "BPF"):
        raise MachineUnfit(
            f"the module bcc in {getattr(bcc, '__file__', None)} is PyPI's lattice library",
            remedy=f"pip uninstall bcc; {_INSTALL}",
        )
    version = str(getattr(bcc, "__version__", "0"))
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST_BCC:
        oldest = ".".join(map(str, OLDEST_BCC))
        raise MachineUnfit(f"bcc {version} is older than {oldest}", remedy=_INSTALL)
    return version


def keep_to_one_arena() -> None:
    """Make malloc use one arena, where the C library has several.

    glibc gives each thread its own. bcc's compiler runs in a thread and leaves 16 MiB in whichever
    arena that thread was given (seen: four arenas of that size after a soak of 40 minutes).
    """
    if mallopt := getattr(ct.CDLL(None), "mallopt", None):
        mallopt(_M_ARENA_MAX, 1)


def flattened(path: Path, root: Path) -> str:
    """Return the text of ``path`` with every quoted include replaced by the file under ``root``.

    bcc rewrites map methods only in the text that it was handed itself.
    """
    return _INCLUDE.sub(
        lambda match: f"{flattened(root / match[1], root)}\n", path.read_text(encoding="utf-8")
    )


def kernel_tree(release: str) -> Mapping[str, str]:
    """Return the tree (path -> text) for a kernel of this release (``uname -r``)."""
    begins = re.match(r"[0-9.]*", release, re.ASCII)  # anything may follow: 6.12.9+bpo-amd64
    found = re.findall(r"\d+", begins[0], re.ASCII) if begins else []
    version, patch, sub = (*map(int, found[:3]), 0, 0, 0)[:3]
    code = (version << 16) + (patch << 8) + min(sub, 255)
    root = paths.bpf_sources() / "kernel"
    return {
        **dict.fromkeys(_EMPTY, ""),
        **{str(each.relative_to(root)): each.read_text() for each in root.rglob("*.h")},
        "include/linux/version.h": (
            "#pragma once\n"
            f"#define LINUX_VERSION_CODE {code}\n"
            "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n"
        ),
    }


def tree_for_others(release: str, declarations: str) -> Mapping[str, str]:
    """Return the tree for bcc's own tools, which read the kernel's structures: these."""
    return {
        **kernel_tree(release),
        "include/linux/kconfig.h": _OTHERS_CONFIG,
        "include/linux/sched.h": f"#pragma once\n#include <linux/types.h>\n{_OTHERS}{declarations}",
        **dict.fromkeys(_OTHERS_EMPTY, "#include <linux/sched.h>\n"),
    }


@contextmanager
def tree(files: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Write ``files`` for as long as the context lasts; yield the environment to find them by."""
    with scratch.folder() as folder:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield {_VARIABLE: str(folder)}


@contextmanager
def installed(release: str) -> Iterator[None]:
    """Point bcc at such a tree for as long as the context lasts."""
    before = os.environ.get(_VARIABLE)
    with tree(kernel_tree(release)) as environment:
        os.environ.update(environment)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before


def without_kallsyms(call: Callable[[], _Result]) -> _Result:
    """Call ``call`` in a thread that finds /proc/kallsyms empty, and return its result.

    bcc reads all of it, a fifth of the time that compiling takes, to learn whether the kernel has
    bpf_probe_read_kernel, which bufbench's programs name themselves. The thread has its own mount
    namespace; where that is not allowed, ``call`` is merely slower.
    """

    def body() -> _Result:
        with suppress(OSError):
            libc.unshare_mounts()
            libc.call("mount", b"/dev/null", b"/proc/kallsyms", None, _MS_BIND, None)
        return call()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile") as thread:
        return thread.submit(body).result()
