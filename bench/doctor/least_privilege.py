# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What bufbench does that not everybody may do, and what it takes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from bench.doctor.probes import Attempt, Need, Part, need
from bench.linux import perf_event, procfs, tracefs
from bench.linux.capabilities import Capability as Cap
from bench.tracer import probes
from workloads import cgroup

_RING_BYTES: Final = 8 << 20  # the default of trace
_SMALL_BYTES: Final = 512 << 10  # of each CPU: what the kernel usually grants everybody
_LARGE_BYTES: Final = 16 << 20
_ALL: Final = "trace, run"
_USUALLY_PARANOID: Final = 2  # Debian and Ubuntu know more, which they leave to CAP_SYS_ADMIN


def examine() -> Iterator[Need]:
    """Yield what each part needs; takes a second or two."""
    with ExitStack() as stack:
        yield from map(need, _parts(stack))


def together(needs: Sequence[Need], command: str) -> tuple[str, ...]:
    """Return the capabilities with which ``command`` works, all its parts together."""
    return tuple(
        dict.fromkeys(
            name for each in needs if command in each.commands for name in each.capabilities
        )
    )


def _parts(stack: ExitStack) -> Iterator[Part]:
    paranoid = ""
    if (procfs.sysctl("kernel.perf_event_paranoid") or 0) > _USUALLY_PARANOID:
        paranoid = f"or sysctl kernel.perf_event_paranoid={_USUALLY_PARANOID}, then CAP_PERFMON"
    yield Part(
        name="make BPF maps",
        commands=_ALL,
        otherwise="nothing works",
        attempt=partial(probes.make_map, _RING_BYTES),
        plausible=(Cap.BPF, Cap.SYS_RESOURCE),
    )
    yield Part(
        name="load a tracer",
        commands=_ALL,
        otherwise="nothing works",
        attempt=probes.load_program,
        plausible=(Cap.BPF, Cap.PERFMON, Cap.SYS_RESOURCE),
    )
    yield Part(
        name="find the tracepoint in tracefs",
        commands=_ALL,
        otherwise="nothing works",
        attempt=partial(tracefs.number, tracefs.EXIT),
        plausible=(Cap.DAC_READ_SEARCH, Cap.DAC_OVERRIDE),
        remedy=tracefs.opening(),
    )
    yield Part(
        name="attach the tracer",
        commands=_ALL,
        otherwise="nothing works",
        attempt=_prepared(stack, _attaching),
        plausible=(Cap.PERFMON, Cap.BPF),
        remedy=paranoid,
    )
    yield Part(
        name="open perf buffers",
        commands=_ALL,
        otherwise="ring buffers alone",
        attempt=probes.open_events,
        plausible=(Cap.PERFMON,),
        remedy=paranoid,
    )
    for size_bytes, commands in ((_SMALL_BYTES, _ALL), (_LARGE_BYTES, "")):
        yield Part(
            name=f"perf buffers of {size_bytes >> 10:,} KiB per CPU",
            commands=commands,
            otherwise="smaller budgets" if not commands else "ring buffers alone",
            attempt=_prepared(stack, partial(_mapping, size_bytes)),
            plausible=(Cap.IPC_LOCK, Cap.PERFMON),
            remedy="or raise kernel.perf_event_mlock_kb, or ulimit -l",
        )
    yield Part(
        name="count time in BPF programs",
        commands="",
        otherwise="no ns per run, no cost of a wake-up",
        attempt=probes.count_runs,
        remedy="or sysctl kernel.bpf_stats_enabled=1",
    )
    yield Part(
        name="read the kernel's log",
        commands="",
        otherwise="complaints of the kernel are not seen",
        attempt=probes.read_kernel_log,
        plausible=(Cap.SYSLOG, Cap.DAC_READ_SEARCH),
        remedy="or sysctl kernel.dmesg_restrict=0",
    )
    yield Part(
        name="mount tracefs",
        commands="",
        otherwise="somebody else has to, before",
        attempt=probes.mount_tracefs,
    )
    yield Part(
        name="hide /proc/kallsyms from bcc",
        commands="",
        otherwise="compiling takes longer",
        attempt=probes.hide_kallsyms,
    )
    yield Part(
        name="run storms as another user",
        commands="",
        otherwise="they run as the harness's user, without capabilities",
        attempt=probes.change_user,
        plausible=(Cap.SETUID, Cap.SETGID, Cap.KILL),
    )
    yield Part(
        name="bound storms by a cgroup",
        commands="",
        otherwise="their own plan is the only bound",
        attempt=partial(probes.make_cgroup, cgroup.place()),
        plausible=(Cap.DAC_OVERRIDE,),
        remedy="or delegate a cgroup to the user",
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
