# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compile and load a build by bcc."""

from __future__ import annotations

import atexit
import ctypes as ct
import os
from contextlib import ExitStack
from typing import Any

from bench import paths
from bench.errors import BufbenchError, MachineUnfit
from bench.host.signals import uninterrupted
from bench.linux import bpf, refusal
from bench.plan.config import Attach
from bench.tracer import compiler, libbpf, probes
from bench.tracer.build import Build, Kernel
from bench.tracer.loader import SIMPLER, TOO_COMPLEX


class ByBcc:
    """A build compiled by bcc; MachineUnfit if that fails."""

    def __init__(self, build: Build, kernel: Kernel) -> None:
        compiler.bcc_version()
        compiler.keep_to_one_arena()
        from bcc import BPF

        self._build = build
        self._stack = ExitStack()
        self._type = BPF
        folder = paths.bpf_sources()
        text = compiler.flattened(folder / build.variant / f"{build.name}.bpf.c", folder).encode()
        macros = {**kernel.macros, **dict(build.macros)}
        flags = [f"-D{name}={value}" for name, value in macros.items()]
        try:
            with compiler.installed(kernel.release):
                self._bpf: Any = compiler.without_kallsyms(lambda: BPF(text=text, cflags=flags))
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
        with libbpf.loaded() as library:  # bcc knows no such programs
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
        """Leave nothing of it in the kernel."""
        with uninterrupted():
            self._stack.close()
            self._bpf.cleanup()
            atexit.unregister(self._bpf.cleanup)  # bcc registers it, and so would keep all for good


def _refusal(what: str, error: Exception, code: int = 0, *, remedy: str) -> BufbenchError:
    """Return why bcc raised ``error``: what a tracer takes and does not get, or errno ``code``.

    bcc raises the same Exception whatever was missing.
    """
    if known := refusal.explained(error) or probes.refused():
        return known
    if code and (usual := refusal.remedy_for(code)):
        return refusal.refused(what, OSError(code, os.strerror(code)), remedy=usual)
    return MachineUnfit(f"{what}: {error}", remedy=remedy)
