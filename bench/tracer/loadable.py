# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The steps of compiling and loading a tracer, probed one by one with their errno.

bcc reports all of it as a program that does not compile.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.errors import BufbenchError, MachineUnfit
from bench.host import scratch
from bench.linux import bpf, perf_event, procfs, refusal
from bench.tracer import smallest

_FILES: Final = 64  # maps, programs, pipes, logs and what bcc has open; and 2 for each CPU
_COMPILER_BYTES: Final = 320 << 20  # its libraries most of all
_DATA_BYTES: Final = 64 << 20
_ROOM_BYTES: Final = 64 << 10  # a tree of headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, and the error that it ended with."""

    name: str
    error: BufbenchError | None


def steps() -> Iterator[Step]:
    """Try each step, in some milliseconds; nothing of it is left."""
    for name, what, attempt in _STEPS:
        yield Step(name=name, error=_tried(what, attempt))


def refused() -> BufbenchError | None:
    """Return the error of the first step that fails; None if all work."""
    return next((step.error for step in steps() if step.error is not None), None)


def require() -> None:
    """Raise MachineUnfit, with errno and remedy, where a tracer cannot be loaded."""
    if error := refused():
        raise error


def _tried(what: str, attempt: Callable[[], None]) -> BufbenchError | None:
    try:
        attempt()
    except FileNotFoundError as error:
        remedy = "change into one that exists" if attempt is _folder else ""
        return refusal.refused(what, error, remedy=remedy)
    except OSError as error:
        return refusal.refused(what, error)
    except MachineUnfit as error:  # no place for temporary files
        return error
    return None


def _files() -> None:
    with ExitStack() as stack:
        for _ in range(_FILES + 2 * len(procfs.online_cpus())):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


def _folder() -> None:
    os.getcwd()  # noqa: PTH109  the system call, and no more


def _room() -> None:
    with scratch.folder() as folder:
        (folder / "room").write_bytes(bytes(_ROOM_BYTES))


def _memory() -> None:
    for size_bytes, protection in (
        (_COMPILER_BYTES, mmap.PROT_READ),
        (_DATA_BYTES, mmap.PROT_READ | mmap.PROT_WRITE),
    ):
        mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE, prot=protection).close()


def _map() -> None:
    os.close(
        bpf.create_map(
            bpf.RINGBUF,
            key_bytes=0,
            value_bytes=0,
            entries=mmap.PAGESIZE,
            name="attempt",
        )
    )


def _program() -> None:
    os.close(smallest.load())


def _event() -> None:
    os.close(perf_event.open_output(procfs.online_cpus()[0]))


_STEPS: Final = (
    ("open files", "this process may not open the files that a tracer takes", _files),
    ("current folder", "the current folder is gone", _folder),
    ("temporary files", "temporary files cannot be written", _room),
    ("compiler's memory", f"bcc's compiler gets no {_COMPILER_BYTES >> 20} MiB", _memory),
    ("BPF map", "the kernel refuses a BPF map", _map),
    ("BPF program", "the kernel refuses a BPF program", _program),
    ("perf event", "the kernel refuses a perf event, to attach the tracer to", _event),
)
