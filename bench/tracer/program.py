# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One tracer in the kernel: compiled and loaded once by bcc, attached and detached per trial."""

from __future__ import annotations

import atexit
import ctypes as ct
import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from bench import paths
from bench.errors import BufbenchError, MachineUnfit
from bench.host import limits
from bench.host.signals import uninterrupted
from bench.linux import bpf, capabilities, grace, lockdown, procfs, refusal, tracefs, version
from bench.plan.config import Attach
from bench.record.counters import CpuCounters
from bench.tracer import btf, compiler, counters, probes

_QUERY: Final = 0xC008240A  # PERF_EVENT_IOC_QUERY_BPF, Linux 4.16
_MOST: Final = 64  # BPF_TRACE_MAX_PROGS: the kernel attaches no more
_POSSIBLE: Final = "devices/system/cpu/possible"
_FETCH_ADD: Final = (5, 12)  # when BPF got the instruction; older kernels preempt no program


@dataclass(frozen=True, slots=True)
class Kernel:
    """Facts of the running kernel that compiling takes."""

    release: str
    macros: Mapping[str, int]
    facts: Mapping[str, str]
    dynptr: bool = True  # ring buffers can be written through one
    overwrites: bool = False  # ring buffers can be made that do

    @classmethod
    def by_types(cls) -> Self:
        """Ask BTF alone what rings can do, which takes no privileges; MachineUnfit without it."""
        with btf.opened() as types:
            return cls(os.uname().release, {}, {}, **_abilities(types))

    @classmethod
    def probe(cls) -> Self:
        """Ask BTF and tracefs; MachineUnfit if they fail or privileges are missing."""
        if missing := capabilities.missing_to_trace(capabilities.held()):
            raise MachineUnfit(  # before bcc tries, which would blame the program
                "this process may not load BPF programs",
                remedy=f"run as root, or grant {' and '.join(map(str, missing))}",
            )
        lockdown.require_open()
        probes.require()
        fields = btf.tracepoint_fields(tracefs.exit_format())
        with btf.opened() as types:
            macros = btf.offsets(types)
            facts = btf.kernel_facts(types, fields)
            abilities = _abilities(types)
        if "group_dead" in fields:
            macros["OFFSET_GROUP_DEAD"] = fields["group_dead"]
        release = os.uname().release
        if version.numbers(release) >= _FETCH_ADD:
            macros["HAS_FETCH_ADD"] = 1
        return cls(release, macros, facts, **abilities)


def _abilities(types: btf.Btf) -> dict[str, bool]:
    dynptr = types.field("bpf_dynptr_kern", "data") is not None
    return {"dynptr": dynptr, "overwrites": btf.overwrites(types)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Compile-time settings. Two trials with the same build share one program."""

    variant: str  # the folder under bpf/
    macros: tuple[tuple[str, int], ...] = ()
    name: str = "exitsnoop"  # of the file, and of the function in it
    tracepoint: str = "sched:sched_process_exit"
    attach: Attach = Attach.TRACEPOINT
    paired: bool = False  # NAME_second is a program too

    @property
    def functions(self) -> tuple[str, ...]:
        """Return the functions that are attached, each a program."""
        return (self.name, f"{self.name}_second") if self.paired else (self.name,)


class Program:
    """A compiled tracer. Use as a context manager; nothing of it stays in the kernel after.

    ``cpus`` are those that the kernel has per-CPU memory for: a map's values are in this order.
    """

    def __init__(self, build: Build, kernel: Kernel) -> None:
        compiler.bcc_version()
        compiler.keep_to_one_arena()
        from bcc import BPF

        self.build = build
        self._loaded: dict[str, int] = {}
        self._stack = ExitStack()
        self.cpus = procfs.parse_cpu_list(procfs.read(procfs.SYS / _POSSIBLE) or "0")
        self._bpf_type = BPF
        self._counted: Sequence[int] = ()  # causes of drops that need not be 0 in the kernel
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
                remedy="its messages stand above",
            ) from error  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            self._stack.close()
            self._bpf.cleanup()
            atexit.unregister(self._bpf.cleanup)  # bcc registers it, and so would keep all for good

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map; it belongs to the program."""
        from bcc.libbcc import lib

        return int(lib.bpf_table_fd(self._bpf.module, name.encode()))

    def set(self, name: str, slot: int, value: bytes) -> None:
        """Set one element of a map."""
        bpf.update(self.map_fd(name), struct.pack("=I", slot), value)

    def zero(self, name: str, slot: int, value_bytes: int) -> None:
        """Set one element of a per-CPU map to zeros."""
        self.set(name, slot, bytes(value_bytes * len(self.cpus)))

    def get(self, name: str, slot: int, value_bytes: int) -> bytes:
        """Return one element of a per-CPU map, the values of all ``cpus``."""
        return bpf.lookup(self.map_fd(name), struct.pack("=I", slot), value_bytes * len(self.cpus))

    def total(self, name: str) -> int:
        """Return the sum over all CPUs of the one count in a map."""
        return sum(struct.unpack(f"={len(self.cpus)}Q", self.get(name, 0, 8)))

    def load(self) -> int:
        """Load the program once and return its descriptor; MachineUnfit if refused."""
        return self.load_all()[0]

    def load_all(self) -> tuple[int, ...]:
        """Load all that is attached, once; MachineUnfit if refused."""
        return tuple(map(self._load, self.build.functions))

    def _load(self, function: str) -> int:
        if function not in self._loaded:
            try:
                self._loaded[function] = self._load_as(self.build.attach, function.encode())
            except BufbenchError:
                raise
            except Exception as error:
                raise _refusal(
                    f"the kernel refused the {self.build.variant} tracer", error, ct.get_errno(),
                    remedy="the verifier's messages stand above",
                ) from error  # fmt: skip
        return self._loaded[function]

    def _load_as(self, attach: Attach, function: bytes) -> int:
        if attach is not Attach.TP_BTF:
            kind = "RAW_TRACEPOINT" if attach is Attach.RAW else "TRACEPOINT"
            return int(self._bpf.load_func(function, getattr(self._bpf_type, kind)).fd)
        with btf.opened() as types:  # bcc knows no such programs
            traced = types.tracepoint(self._event)
        if traced is None:
            raise MachineUnfit(
                f"this kernel's BTF has no type of the tracepoint {self._event}",
                remedy="attach to tracepoint or raw",
            )
        program = bpf.load_code(
            bpf.TRACING, self._bpf.dump_func(function), name=function.decode(),
            attach_type=bpf.TRACE_RAW_TP, btf_type=traced,
        )  # fmt: skip
        self._stack.callback(os.close, program)
        return program

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Run the program at every exit while the context lasts."""
        programs = self.load_all()
        self._counted = range(counters.CAUSES)
        with ExitStack() as stack:
            if self.build.attach is Attach.TRACEPOINT:
                stack.enter_context(
                    self._attached("tracepoint", self.build.tracepoint, self.build.name)
                )
                programs = programs[1:]
            else:
                stack.callback(grace.wait)
            for program in programs:
                with uninterrupted():
                    stack.callback(os.close, self._attach(program))
            yield

    def _attach(self, program: int) -> int:
        """Attach one more program; it runs until the descriptor that is returned is closed."""
        try:
            if self.build.attach is not Attach.TRACEPOINT:
                name = self._event if self.build.attach is Attach.RAW else ""
                return bpf.open_raw_tracepoint(program, name)
            return probes.attach(program, tracefs.number(self.build.tracepoint))
        except OSError as error:
            raise refusal.refused("the tracer could not be attached", error) from error

    @contextmanager
    def counting_missed(self) -> Iterator[None]:
        """Count, in ``total("missed")``, processes hidden from the attached program meanwhile."""
        with self._attached("raw_tracepoint", self._event, "count_missed"):
            yield

    @contextmanager
    def _attached(self, kind: str, point: str, function: str) -> Iterator[None]:
        where = point.encode()
        try:
            with uninterrupted():
                getattr(self._bpf, f"attach_{kind}")(tp=where, fn_name=function.encode())
        except Exception as error:
            raise _refusal(
                "the tracer could not be attached", error, ct.get_errno(),
                remedy="`bufbench doctor --least-privilege` tries what it takes",
            ) from error  # fmt: skip
        try:
            yield
        finally:
            with uninterrupted():
                getattr(self._bpf, f"detach_{kind}")(tp=where)

    @property
    def _event(self) -> str:
        return self.build.tracepoint.partition(":")[2]

    def neighbours(self) -> frozenset[int] | None:
        """Return the ids of other programs at the same event, while attached; None if unknown.

        Each exit runs them too. None of these calls makes the kernel skip tracers: only operations
        on maps do.
        """
        own = {*map(bpf.program_id, self.load_all())}
        if self.build.attach is not Attach.TRACEPOINT:
            return _on_raw(self._event) - own  # which ones are on perf events is not known
        there = _on_event(self._bpf.tracepoint_fds[self.build.tracepoint.encode()])
        if there is None:
            return None
        return (there | _on_raw(self._event)) - own

    def configure(self, settings: bytes) -> None:
        """Write the settings map."""
        self.set("settings", 0, settings)

    def zero_counters(self) -> None:
        """Start a new account."""
        self.zero("counters", 0, counters.BYTES_PER_CPU)
        for cause in self._counted:
            self.zero("drops", cause, counters.DROP_BYTES_PER_CPU)
        self._counted = ()

    def read_counters(self) -> list[CpuCounters]:
        """Read the account. Call it after detaching: bpf() calls make the kernel skip tracers."""
        counts = self.get("counters", 0, counters.BYTES_PER_CPU)
        unexplained, by_cause = counters.dropped(counts), dict[int, bytes]()
        for cause in counters.causes():
            if unexplained <= 0:
                break  # a thousand calls take a sixth of a trial in an emulated guest
            value = self.get("drops", cause, counters.DROP_BYTES_PER_CPU)
            if any(value):
                by_cause[cause] = value
                unexplained -= counters.of_cause(value)
        self._counted = tuple(by_cause)
        return counters.decode(counts, by_cause, self.cpus)


def names(programs: Iterable[int]) -> tuple[str, ...]:
    """Return the programs' names; the id of one that has gone or is not readable."""
    found = []
    for program in sorted(programs):
        name = ""
        with suppress(OSError):
            name = bpf.program_name(program)
        found.append(f"{name} (program {program})" if name else f"program {program}")
    return tuple(found)


def _on_event(event: int) -> frozenset[int] | None:
    """Return the ids of all programs on the tracepoint of the perf ``event``; None if unknown."""
    query = bytearray(struct.pack(f"={2 + _MOST}I", _MOST, *([0] * (1 + _MOST))))
    try:
        fcntl.ioctl(event, _QUERY, query)
    except OSError:  # an older kernel, or not allowed
        return None
    _, count, *ids = struct.unpack(f"={2 + _MOST}I", query)
    return frozenset(ids[:count])


def _on_raw(tracepoint: str) -> frozenset[int]:
    """Return the ids of programs on the raw tracepoint; empty if links are not readable."""
    found, link = set[int](), 0
    while True:
        try:
            link = bpf.next_link(link)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EPERM, errno.EINVAL):
                raise
            return frozenset(found)
        with suppress(OSError):  # gone by now
            name, program = bpf.raw_tracepoint_of(link) or ("", 0)
            if name == tracepoint:
                found.add(program)


def _refusal(what: str, error: Exception, code: int = 0, *, remedy: str) -> BufbenchError:
    """Return why bcc raised ``error``: what a tracer takes and does not get, or errno ``code``.

    bcc raises the same Exception whatever was missing.
    """
    if known := limits.explained(error) or probes.refused():
        return known
    if code and (usual := refusal.remedy_for(code)):
        return refusal.refused(what, OSError(code, os.strerror(code)), remedy=usual)
    return MachineUnfit(f"{what}: {error}", remedy=remedy)
