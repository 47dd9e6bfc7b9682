# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make up reports of guests in which calls were counted, and what is judged from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.questions.exact.judge import Seen, judge
from bench.questions.exact.plan import CALLS, EMPTY, RUNS, Buffer, find
from bench.questions.exact.report import parse
from bench.questions.exact.study import FORMAT, FunctionCount, KernelCount, Study
from bench.report.document import Document, tables

EMPTY_NS = 50
PERF_LENGTH = 88  # of a record of 72 bytes, with its header

Counts = Mapping[tuple[str, int], int | Sequence[int] | str]


def report(
    counts: Counts, *, empty: int | Sequence[int] = EMPTY_NS, machine: str = "x86_64"
) -> bytes:
    """Return a report: by call its instructions, each run's or all runs', or why it was refused."""
    lines = ["bufbench-exact 1", "release 6.1.0-made-up", f"machine {machine}", "page 4096"]
    lines.append("jit 1")
    lines += ["clock tsc", call_line(EMPTY, 0, empty, beyond=0)]
    for (name, size), found in counts.items():
        if isinstance(found, str):
            lines.append(f"refused {name} {size} load 22 {found}")
        else:
            lines.append(call_line(name, size, found))
    return "".join(f"{line}\n" for line in (*lines, "end")).encode()


def call_line(
    name: str, size: int, instructions: int | Sequence[int], *, beyond: int = EMPTY_NS
) -> str:
    call = find(name, size)
    full = call is not None and call.buffer is Buffer.FULL
    length = 0 if full or not size else PERF_LENGTH + size - 72
    every = [instructions] * RUNS if isinstance(instructions, int) else instructions
    values = ",".join(str(each + beyond) for each in every)
    return f"call {name} {size} 0 {RUNS * length} {values}"


def seen(whole: bytes, console: bytes = b"reboot: Power down\n") -> Seen:
    return Seen(console=console, report=whole, read=parse(whole))


def kernel(
    label: str, counts: Counts, *, other: Counts | None = None, machine: str = "x86_64"
) -> KernelCount:
    """Return a kernel whose other seed gave the same, unless ``other`` is given."""
    first = seen(report(counts, machine=machine))
    second = first if other is None else seen(report(other, machine=machine))
    return judge(label, "", "made up", [first, second, first])


def with_functions(of: KernelCount, **functions: int) -> KernelCount:
    """Return ``of`` with these functions in each call that was counted."""
    found = tuple(FunctionCount(name=name, instructions=n) for name, n in functions.items())
    calls = (
        replace(each, functions=found if each.instructions is not None else ()) for each in of.calls
    )
    return replace(of, calls=tuple(calls))


SYMBOLS = b"""ffffffff81000000 _stext
ffffffff81000000 startup
ffffffff81001000 __bpf_reserve.isra.0
ffffffff81002000 __lock
ffffffff81002000 lock
ffffffff81002000 __lock_text_start
ffffffff81003000 ktime
ffffffff81004000 _etext
"""


def blocks(*calls: tuple[int, int, int]) -> bytes:
    """Return what a plugin writes: by place in the plan what is executed in reserve and in lock."""
    lines = [f"call 0 {EMPTY_NS} 256 ffffffff81003010:40 ffffffffc0000100:{EMPTY_NS - 40}"]
    for place, reserve, lock in calls:
        parts = f"ffffffff81001000:7 ffffffff81001234:{reserve - 7} ffffffff81002000:{lock}"
        program = f"ffffffff81003010:40 ffffffffc0000200:{EMPTY_NS - 40 + 5}"
        total = EMPTY_NS + reserve + lock + 5
        lines.append(f"call {place} {total} 250 {parts} {program}")
    return "".join(f"{line}\n" for line in lines).encode()


def all_calls(more: int = 0) -> dict[tuple[str, int], int]:
    """Return every call of the plan, each with another count."""
    return {
        (call.name, call.bytes): 100 + number + more
        for number, call in enumerate(CALLS)
        if call.name != EMPTY
    }


def rows(found: Document, key: str) -> dict[str, list[str]]:
    """Return the texts of a table's rows, by their headings."""
    (table,) = (each for each in tables(found.parts) if each.key == key)
    return {row.heading.text: [cell.text for cell in row.cells] for row in table.rows}


def study(*kernels: KernelCount) -> Study:
    return Study(
        format=FORMAT,
        qemu="7.2.22",
        options=("-icount", "shift=0,sleep=off"),
        parameters=("console=ttyS0",),
        program_sha256="0" * 64,
        kernels=kernels,
    )
