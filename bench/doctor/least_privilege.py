# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which capabilities each part of bufbench needs on this machine, found by trying.

It is tried in processes made for that: each becomes an unprivileged user, keeps one set of
capabilities, and does it. The smallest set with which that works is the answer.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Final

from bench.linux import capabilities, perf_event, procfs, tracefs
from bench.linux.capabilities import Capability as Cap
from bench.tracer import probes
from workloads import cgroup, user

Attempt = Callable[[], object]
"""Does what a part does; OSError where the kernel refuses."""

_ADMIN: Final = frozenset({Cap.SYS_ADMIN})
_DEADLINE_S: Final = 5
_RING_BYTES: Final = 8 << 20  # the default of trace
_SMALL_BYTES: Final = 512 << 10  # of each CPU: what the kernel usually grants everybody
_LARGE_BYTES: Final = 16 << 20
_ALL: Final = "trace, run"
_USUALLY_PARANOID: Final = 2  # Debian and Ubuntu know more, which they leave to CAP_SYS_ADMIN


@dataclass(frozen=True, slots=True)
class Part:
    """Something that bufbench does, and the capabilities that might be needed for it."""

    name: str
    commands: str  # that cannot do without it; "" if there is another way
    otherwise: str  # what happens without it
    attempt: Attempt
    plausible: tuple[Cap, ...] = ()
    remedy: str = ""  # in place of a capability, where there is something


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a part turned out to need."""

    name: str
    commands: str
    otherwise: str
    possible: bool
    capabilities: tuple[str, ...]  # with which it works; () if it works for anybody
    refused: str  # what the kernel says without them; "" if it works for anybody
    remedy: str = ""


def examine() -> Iterator[Need]:
    """Yield what each part needs; takes a second or two."""
    with ExitStack() as stack:
        yield from map(need, _parts(stack))


def together(needs: Sequence[Need], command: str) -> tuple[str, ...]:
    """Return the capabilities with which ``command`` works, all its parts together."""
    names = (name for each in needs if command in each.commands for name in each.capabilities)
    return tuple(dict.fromkeys(names))


def _parts(stack: ExitStack) -> Iterator[Part]:
    paranoid = ""
    if (procfs.sysctl("kernel.perf_event_paranoid") or 0) > _USUALLY_PARANOID:
        paranoid = f"or sysctl kernel.perf_event_paranoid={_USUALLY_PARANOID}, then CAP_PERFMON"
    nothing, ring_alone = "nothing works", "ring buffers alone"
    make_map = partial(probes.make_map, _RING_BYTES)
    yield Part("make BPF maps", _ALL, nothing, make_map, (Cap.BPF, Cap.SYS_RESOURCE))
    loading = (Cap.BPF, Cap.PERFMON, Cap.SYS_RESOURCE)
    yield Part("load a tracer", _ALL, nothing, probes.load_program, loading)
    name, reading = "find the tracepoint in tracefs", (Cap.DAC_READ_SEARCH, Cap.DAC_OVERRIDE)
    yield Part(
        name, _ALL, nothing, partial(tracefs.number, tracefs.EXIT), reading, tracefs.opening()
    )
    attach = _prepared(stack, _attaching)
    yield Part("attach the tracer", _ALL, nothing, attach, (Cap.PERFMON, Cap.BPF), paranoid)
    open_events = probes.open_events
    yield Part("open perf buffers", _ALL, ring_alone, open_events, (Cap.PERFMON,), paranoid)
    for size_bytes, commands, otherwise in (
        (_SMALL_BYTES, _ALL, ring_alone),
        (_LARGE_BYTES, "", "smaller budgets"),
    ):
        yield Part(
            f"perf buffers of {size_bytes >> 10:,} KiB per CPU",
            commands,
            otherwise,
            _prepared(stack, partial(_mapping, size_bytes)),
            (Cap.IPC_LOCK, Cap.PERFMON),
            "or raise kernel.perf_event_mlock_kb, or ulimit -l",
        )
    yield Part(
        "count time in BPF programs",
        "",
        "no ns per run, no cost of a wake-up",
        probes.count_runs,
        remedy="or sysctl kernel.bpf_stats_enabled=1",
    )
    yield Part(
        "read the kernel's log",
        "",
        "complaints of the kernel are not seen",
        probes.read_kernel_log,
        (Cap.SYSLOG, Cap.DAC_READ_SEARCH),
        "or sysctl kernel.dmesg_restrict=0",
    )
    mount = probes.mount_tracefs
    yield Part("mount tracefs", "", "somebody else has to, before", mount)
    hide = probes.hide_kallsyms
    yield Part("hide /proc/kallsyms from bcc", "", "compiling takes longer", hide)
    yield Part(
        "run storms as another user",
        "",
        "they run as the harness's user, without capabilities",
        probes.change_user,
        (Cap.SETUID, Cap.SETGID, Cap.KILL),
    )
    yield Part(
        "bound storms by a cgroup",
        "",
        "their own plan is the only bound",
        partial(probes.make_cgroup, cgroup.place()),
        (Cap.DAC_OVERRIDE,),
        "or delegate a cgroup to the user",
    )


def _prepared(stack: ExitStack, prepare: Callable[[ExitStack], Attempt]) -> Attempt:
    """Return the attempt that ``prepare`` makes with this process's privileges, or its failure."""
    try:
        return prepare(stack)
    except OSError as error:
        return partial(_fail, error)


def _fail(error: OSError) -> None:
    raise error


def _attaching(stack: ExitStack) -> Attempt:
    program = probes.load_program()
    stack.callback(os.close, program)
    return partial(probes.attach, program, tracefs.number(tracefs.EXIT))


def _mapping(buffer_bytes: int, stack: ExitStack) -> Attempt:
    events = []
    for cpu in procfs.online_cpus():
        events.append(perf_event.open_output(cpu))
        stack.callback(os.close, events[-1])
    return partial(probes.map_events, events, buffer_bytes)


def need(part: Part) -> Need:
    """Return the smallest set with which ``part`` works; the special ones before CAP_SYS_ADMIN.

    Where we may change user it is tried as nobody, else as who we are; with what we hold.
    """
    refused = _tried(part.attempt, frozenset())
    sizes = range(1, len(part.plausible) + 1)
    sets = (frozenset(chosen) for size in sizes for chosen in combinations(part.plausible, size))
    held = capabilities.held()
    found = None if refused else frozenset[Cap]()
    for chosen in (*sets, _ADMIN) if refused else ():
        if chosen <= held and not _tried(part.attempt, chosen):
            found = chosen
            break
    return Need(
        name=part.name,
        commands=part.commands,
        otherwise=part.otherwise,
        possible=found is not None,
        capabilities=tuple(str(each) for each in sorted(found or ())),
        refused=refused,
        remedy=part.remedy if refused else "",
    )


def _tried(attempt: Attempt, kept: frozenset[Cap]) -> str:
    """Return the error of an unprivileged process's attempt with these; "" if it works."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _child(attempt, kept, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        return answer.decode(errors="replace") or "it did not end"
    return ""


def _child(attempt: Attempt, kept: frozenset[Cap], writer: int) -> None:
    """Run the child; never return, or the parent's files would be cleaned up twice."""
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_DEADLINE_S)
        capabilities.go_on_with(kept, ids=user.chosen().ids)
        attempt()
        code = 0
    except OSError as error:
        os.write(writer, (error.strerror or str(error)).encode())
    finally:
        os._exit(code)
