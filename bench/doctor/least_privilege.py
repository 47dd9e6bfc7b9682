# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find which capabilities each part of bufbench needs on this machine, by trying.

Each part is tried in separate processes, which become an unprivileged user and keep one set of
capabilities. The smallest set with which it works is the answer.
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

from bench.amounts import size
from bench.linux import capabilities, libc, perf_event, procfs, tracefs
from bench.linux.capabilities import Capability as Cap
from bench.tracer import probes
from bench.tracer.transports import perfbuf, ringbuf
from workloads import cgroup, user

Attempt = Callable[[], object]
"""Does what a part does; OSError if the kernel refuses."""

_ADMIN: Final = frozenset({Cap.SYS_ADMIN})
_DEADLINE_S: Final = 5
_RING_BYTES: Final = 8 << 20  # the default of trace
_SMALL_BYTES: Final = 512 << 10  # per CPU: usually granted to everybody
_LARGE_BYTES: Final = 16 << 20
_WITHOUT_PERF: Final = "ring buffers alone"
_USUALLY_PARANOID: Final = 2  # Debian and Ubuntu have higher levels, for CAP_SYS_ADMIN alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Hold the capabilities that a part of bufbench turned out to need."""

    name: str
    commands: str  # that need it; "" if there is another way
    otherwise: str  # what happens without it
    possible: bool
    capabilities: tuple[str, ...]  # with which it works; () if it needs none
    refused: str  # the kernel's answer without them; "" if it needs none
    remedy: str = ""  # instead of a capability, if there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Hold the needs of every part."""

    parts: tuple[Need, ...]


def examine() -> Iterator[Need]:
    """Yield what each part needs; takes a second or two."""
    paranoid = ""
    if (procfs.sysctl("kernel.perf_event_paranoid") or 0) > _USUALLY_PARANOID:
        paranoid = f"or sysctl kernel.perf_event_paranoid={_USUALLY_PARANOID}, then CAP_PERFMON"
    always = partial(need, commands="trace, run", otherwise="nothing works")
    perf = partial(need, commands="trace, run", otherwise=_WITHOUT_PERF)
    with ExitStack() as stack:
        make_map = partial(probes.make_map, _RING_BYTES)
        yield always("make BPF maps", make_map, Cap.BPF, Cap.SYS_RESOURCE)
        loading = (Cap.BPF, Cap.PERFMON, Cap.SYS_RESOURCE)
        yield always("load a tracer", probes.load_program, *loading)
        yield always(
            "find the tracepoint in tracefs",
            partial(tracefs.number, tracefs.EXIT),
            *(Cap.DAC_READ_SEARCH, Cap.DAC_OVERRIDE),
            remedy=tracefs.opening(),
        )
        attach = _prepared(partial(_attaching, stack))
        yield always("attach the tracer", attach, Cap.PERFMON, Cap.BPF, remedy=paranoid)
        yield perf("open perf buffers", probes.open_events, Cap.PERFMON, remedy=paranoid)
        large = partial(need, otherwise="smaller budgets")
        for kind, size_bytes in ((perf, _SMALL_BYTES), (large, _LARGE_BYTES)):
            yield kind(
                f"perf buffers of {size(size_bytes)} per CPU",
                _prepared(partial(_mapping, stack, size_bytes)),
                *(Cap.IPC_LOCK, Cap.PERFMON),
                remedy="or raise kernel.perf_event_mlock_kb, or ulimit -l",
            )
    yield need(
        "count time in BPF programs",
        probes.count_runs,
        otherwise="no ns per run, no cost of a wake-up",
        remedy="or sysctl kernel.bpf_stats_enabled=1",
    )
    yield need(
        "read the kernel's log",
        probes.read_kernel_log,
        *(Cap.SYSLOG, Cap.DAC_READ_SEARCH),
        otherwise="complaints of the kernel are not seen",
        remedy="or sysctl kernel.dmesg_restrict=0",
    )
    mounted = "it has to be mounted already"
    yield need("mount tracefs", probes.mount_tracefs, otherwise=mounted)
    longer = "compiling takes longer"
    yield need("hide /proc/kallsyms from bcc", libc.unshare_mounts, otherwise=longer)
    yield need(
        "run storms as another user",
        probes.change_user,
        *(Cap.SETUID, Cap.SETGID, Cap.KILL),
        otherwise="they run as the harness's user, without capabilities",
    )
    yield need(
        "bound storms by a cgroup",
        partial(probes.make_cgroup, cgroup.place()),
        Cap.DAC_OVERRIDE,
        otherwise="their own plan is the only bound",
        remedy="or delegate a cgroup to the user",
    )


def together(needs: Sequence[Need], command: str) -> tuple[str, ...]:
    """Return the capabilities with which ``command`` works, all its parts together."""
    names = (name for each in needs if command in each.commands for name in each.capabilities)
    return tuple(dict.fromkeys(names))


def by_transport(needs: Sequence[Need]) -> dict[str, tuple[str, ...] | None]:
    """Return the capabilities that a tracer needs with either buffer; None if none suffice."""
    parts = [each for each in needs if each.commands]
    rings = [each for each in parts if each.otherwise != _WITHOUT_PERF]
    return {
        transport: together(found, "run") if all(each.possible for each in found) else None
        for transport, found in ((ringbuf.TRANSPORT.name, rings), (perfbuf.TRANSPORT.name, parts))
    }


def _prepared(prepare: Callable[[], Attempt]) -> Attempt:
    """Return the attempt that ``prepare`` makes with this process's privileges, or its failure."""
    try:
        return prepare()
    except OSError as error:
        return partial(_fail, error)


def _fail(error: OSError) -> None:
    raise error


def _attaching(stack: ExitStack) -> Attempt:
    program = probes.load_program()
    stack.callback(os.close, program)
    return partial(perf_event.open_tracepoint, tracefs.number(tracefs.EXIT), program)


def _mapping(stack: ExitStack, buffer_bytes: int) -> Attempt:
    events = []
    for cpu in procfs.online_cpus():
        events.append(perf_event.open_output(cpu))
        stack.callback(os.close, events[-1])
    return partial(probes.map_events, events, buffer_bytes)


def need(
    name: str,
    attempt: Attempt,
    *plausible: Cap,
    otherwise: str,
    commands: str = "",
    remedy: str = "",
) -> Need:
    """Return the smallest set with which ``attempt`` works; ``plausible`` before CAP_SYS_ADMIN.

    It is tried as nobody if this process may change user, else as its own, with the capabilities
    that it holds.
    """
    refused = _tried(attempt, frozenset())
    sizes = range(1, len(plausible) + 1)
    sets = (frozenset(chosen) for size in sizes for chosen in combinations(plausible, size))
    held = capabilities.held()
    works = (chosen for chosen in (*sets, _ADMIN) if chosen <= held and not _tried(attempt, chosen))
    found = next(works, None) if refused else frozenset[Cap]()
    return Need(
        name=name,
        commands=commands,
        otherwise=otherwise,
        possible=found is not None,
        capabilities=tuple(str(each) for each in sorted(found or ())),
        refused=refused,
        remedy=remedy if refused else "",
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
        capabilities.keep_only(kept, ids=user.chosen().ids)
        attempt()
        code = 0
    except OSError as error:
        os.write(writer, (error.strerror or str(error)).encode())
    finally:
        os._exit(code)
