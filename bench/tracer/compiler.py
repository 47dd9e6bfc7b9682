# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Load a build that bcc compiles, in a kernel source tree just large enough for it.

bcc needs the headers of the running kernel, which CI machines and cloud guests seldom have.
bufbench's programs use none of them: offsets come from BTF. bcc's own preamble includes few, and
bcc honours BCC_KERNEL_SOURCE.
"""

from __future__ import annotations

import atexit
import ctypes as ct
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from bench import paths
from bench.errors import BufbenchError, MachineUnfit
from bench.host import scratch
from bench.host.signals import uninterrupted
from bench.host.threads import beside
from bench.linux import bpf, libc, refusal, version
from bench.plan.config import Attach
from bench.tracer import libbpf, loader, probes
from bench.tracer.build import Build, Kernel
from bench.tracer.loader import SIMPLER, TOO_COMPLEX

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
    # bcc finds the folders of these by the machine's name.
    *(f"arch/{each}/include/generated/.made-by-bufbench" for each in ("x86", "arm64")),
)


def _use_one_arena() -> None:
    """Make malloc use one arena, where the C library has several.

    glibc gives each thread its own. bcc's compiler runs in a thread and leaves 16 MiB in that
    thread's arena (seen: four arenas of that size after a soak of 40 minutes).
    """
    if mallopt := getattr(ct.CDLL(None), "mallopt", None):
        mallopt(_M_ARENA_MAX, 1)


def flattened(path: Path, root: Path) -> str:
    """Return the text of ``path`` with every quoted include replaced by the file under ``root``.

    bcc rewrites map methods only in the text that it is given directly.
    """
    return _INCLUDE.sub(
        lambda match: f"{flattened(root / match[1], root)}\n", path.read_text(encoding="utf-8")
    )


def kernel_tree(release: str) -> Mapping[str, str]:
    """Return the tree (path -> text) for a kernel of this release (``uname -r``)."""
    major, minor, patch = version.numbers(release)
    code = (major << 16) + (minor << 8) + min(patch, 255)
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
    """Return the tree for bcc's own tools, which need these declarations of kernel structures."""
    return {
        **kernel_tree(release),
        "include/linux/kconfig.h": _OTHERS_CONFIG,
        "include/linux/sched.h": f"#pragma once\n#include <linux/types.h>\n{_OTHERS}{declarations}",
        **dict.fromkeys(_OTHERS_EMPTY, "#include <linux/sched.h>\n"),
    }


@contextmanager
def tree(files: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Write ``files`` for as long as the context lasts; yield an environment that names them."""
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


def _without_kallsyms(call: Callable[[], Any]) -> Any:
    """Call ``call`` in a thread that finds /proc/kallsyms empty, and return its result.

    bcc reads all of it, in a fifth of the time of a compilation, to learn whether the kernel has
    bpf_probe_read_kernel, which bufbench's programs name themselves. The thread has its own mount
    namespace; where that is not allowed, ``call`` is merely slower.
    """

    def body() -> Any:
        with suppress(OSError):
            libc.unshare_mounts()
            libc.call("mount", b"/dev/null", b"/proc/kallsyms", None, _MS_BIND, None)
        return call()

    with beside(body, name="compile") as running:
        return running.result()


class ByBcc:
    """Compile a build by bcc; MachineUnfit if that fails."""

    def __init__(self, build: Build, kernel: Kernel) -> None:
        loader.bcc_version()
        _use_one_arena()
        from bcc import BPF

        self._build = build
        self._stack = ExitStack()
        self._type = BPF
        folder = paths.bpf_sources()
        text = flattened(folder / build.variant / f"{build.name}.bpf.c", folder).encode()
        macros = {**kernel.macros, **dict(build.macros)}
        flags = [f"-D{name}={value}" for name, value in macros.items()]
        try:
            with installed(kernel.release):
                self._bpf: Any = _without_kallsyms(lambda: BPF(text=text, cflags=flags))
        except Exception as error:
            raise _refusal(
                f"bcc could not compile the {build.variant} tracer", error,
                remedy="see its messages above",
            ) from error  # fmt: skip

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map."""
        from bcc.libbcc import lib

        return int(lib.bpf_table_fd(self._bpf.module, name.encode()))

    def load(self, function: str, attach: Attach) -> int:
        """Load a program of this kind; MachineUnfit if it is refused."""
        try:
            return self._load(function, attach)
        except BufbenchError:
            raise
        except Exception as error:
            code = ct.get_errno()
            raise _refusal(
                f"the kernel refused the {self._build.variant} tracer", error, code,
                remedy=SIMPLER if code in TOO_COMPLEX else "see the verifier's messages above",
            ) from error  # fmt: skip

    def _load(self, function: str, attach: Attach) -> int:
        if attach is not Attach.TP_BTF:
            kind = "RAW_TRACEPOINT" if attach is Attach.RAW else "TRACEPOINT"
            return int(self._bpf.load_func(function.encode(), getattr(self._type, kind)).fd)
        with libbpf.loaded() as library:  # bcc does not support such programs
            traced = library.libbpf_find_vmlinux_btf_id(
                self._build.event.encode(), bpf.TRACE_RAW_TP
            )
        if traced < 0:
            raise MachineUnfit(
                f"this kernel's BTF has no type of the tracepoint {self._build.event}",
                remedy="attach to tracepoint or raw",
            )
        program = bpf.load_code(
            bpf.TRACING, self._bpf.dump_func(function.encode()), name=function,
            attach_type=bpf.TRACE_RAW_TP, btf_type=traced,
        )  # fmt: skip
        self._stack.callback(os.close, program)
        return program

    def close(self) -> None:
        """Remove it from the kernel."""
        with uninterrupted():
            self._stack.close()
            self._bpf.cleanup()
            atexit.unregister(self._bpf.cleanup)  # bcc registers it, which would keep it all alive


def _refusal(what: str, error: Exception, code: int = 0, *, remedy: str) -> BufbenchError:
    """Return why bcc raised ``error``: what a tracer needs and lacks, or errno ``code``.

    bcc raises the same Exception whatever was missing.
    """
    if known := refusal.explained(error) or probes.refused():
        return known
    if code and (usual := refusal.remedy_for(code)):
        return refusal.refused(what, OSError(code, os.strerror(code)), remedy=usual)
    return MachineUnfit(f"{what}: {error}", remedy=remedy)
