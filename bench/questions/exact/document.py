# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The counts of all kernels as a document; its data is the study itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from bench import amounts
from bench.judge.metrics import Unit
from bench.questions.exact import by_function
from bench.questions.exact.plan import PERF, RUNS
from bench.questions.exact.study import CallCount, Distribution, KernelCount, Setup, Study, Times
from bench.record.layout import RECORD_BYTES
from bench.report.document import (
    NONE,
    Cell,
    Check,
    Column,
    Definitions,
    Document,
    Fold,
    Heading,
    Level,
    Mark,
    Measure,
    Note,
    Part,
    Passing,
    Row,
    Sentence,
    Table,
)
from bench.report.units import clean

_HEADLINES: Final = ("reserve-submit", "ring-output", PERF)
_MOST_VALUES: Final = 8
_LONGEST_NAME: Final = 24
_SHORTLY: Final = (
    "An instruction count is not time: no caches, branch prediction, memory latency or contention "
    "are in it, and a locked instruction counts like any other. It holds for these builds of the "
    "kernels, this QEMU and these options."
)
_IS_NOT: Final = {
    "time": "caches, branch prediction, memory latency and the cost of interrupts are not in it; "
    "a locked instruction counts like a nop",
    "a ratio of times": "ring against perf in instructions says nothing about their ratio in "
    "nanoseconds",
    "contention": "a guest has one CPU, so nobody waits for a lock",
    "valid elsewhere": "it belongs to one architecture and build of a kernel (compiler, options, "
    "mitigations), one build of QEMU and one set of options",
    "representative": "the same once more is no second sample; another seed is, and has to give "
    "the same mode",
}


def document(study: Study) -> Document:
    """Return the answer: headlines, the table of calls by kernels, and what it rests on."""
    counted = [each for each in study.kernels if each.calls]
    return Document(
        title=_title(counted),
        subject=(
            f"QEMU {clean(study.qemu)}, which counts instructions; mode of {RUNS} calls, without "
            "the empty program's. Reproducible: equal with two seeds, and to the byte once more"
        ),
        parts=tuple(_parts(study, counted)),
        data=study,
        short="Instructions",
        measures=tuple(_measures(counted)),
        checks=tuple(_checks(counted)),
    )


def _measures(counted: Sequence[KernelCount]) -> Iterator[Measure]:
    for kernel in counted:
        for call in kernel.calls:
            if call.reproducible and call.instructions is not None:
                yield Measure(
                    number="instructions",
                    labels=(
                        ("kernel", kernel.label),
                        ("call", call.name),
                        ("bytes", str(call.bytes)),
                    ),
                    name=f"instructions of {call.name}, {call.bytes} bytes, on {_name(kernel)}",
                    value=call.instructions,
                    unit=Unit.COUNT,
                )


def _checks(counted: Sequence[KernelCount]) -> Iterator[Check]:
    for kernel in counted:
        for call in kernel.calls:
            counts = Passing.SKIPPED if call.instructions is None else Passing.PASSED
            yield Check(
                name=f"{_name(kernel)}: {call.name}, {call.bytes} bytes, is reproducible",
                outcome=counts if call.reproducible else Passing.FAILED,
                text=clean(call.why) or f"{call.instructions:,} instructions",
            )


def _title(counted: Sequence[KernelCount]) -> str:
    for name in _HEADLINES:
        if spans := [span for alike in _by_machine(counted) if (span := _span(name, alike))]:
            first, *others = spans
            text = " and ".join((first.replace(" on ", " instructions on ", 1), *others))
            return f"{name} of {RECORD_BYTES} bytes takes {text}"
    return "No call was counted reproducibly" if counted else "No kernel was counted"


def _by_machine(counted: Sequence[KernelCount]) -> list[list[KernelCount]]:
    """Return the kernels of each architecture: counts of two are not compared."""
    machines = dict.fromkeys(each.machine for each in counted)
    return [[each for each in counted if each.machine == machine] for machine in machines]


def _span(name: str, counted: Sequence[KernelCount]) -> str:
    """Say from what to what a call takes on kernels of one architecture; "" if none has it."""
    found = [each for kernel in counted if (each := _count(kernel, name)) is not None]
    if not found:
        return ""
    least, most = min(found), max(found)
    over = _name(counted[0]) if len(counted) == 1 else amounts.counted(len(counted), "kernel")
    return f"{least:,} on {over}" if least == most else f"{least:,} to {most:,} on {over}"


def _name(kernel: KernelCount) -> str:
    """Return a kernel's label, of a long path its end."""
    label = clean(kernel.label)
    return label if len(label) <= _LONGEST_NAME else f"…{label[1 - _LONGEST_NAME :]}"


def _count(kernel: KernelCount, name: str, size: int = RECORD_BYTES) -> int | None:
    """Return the instructions of a call, where they are reproducible."""
    call = _call(kernel, name, size)
    return call.instructions if call is not None and call.reproducible else None


def _call(kernel: KernelCount, name: str, size: int) -> CallCount | None:
    return next((each for each in kernel.calls if (each.name, each.bytes) == (name, size)), None)


def _parts(study: Study, counted: Sequence[KernelCount]) -> Iterator[Part]:
    for name in _HEADLINES:
        if text := " ".join(filter(None, (_sentence(name, each) for each in _by_machine(counted)))):
            yield Sentence(lead=f"{name}, {RECORD_BYTES} bytes", text=text)
    yield Note(text=_SHORTLY)
    if counted:
        yield _calls(counted)
        yield from _remarks(counted)
        yield from by_function.parts([(_name(each), each) for each in counted], _HEADLINES)
    yield _kernels(study.kernels)
    yield Heading(text="What an instruction count is not", key="not", level=Level.BACKGROUND)
    yield Definitions(entries=tuple((term, (text,)) for term, text in _IS_NOT.items()))
    if counted:
        yield Heading(
            text="Distributions", key="distributions", short="Distributions", level=Level.BACKGROUND
        )
        for number, kernel in enumerate(counted, 1):
            yield Fold(
                key=f"distributions-{number}",
                summary=f"All counts on {_name(kernel)}",
                parts=(_distributions(number, kernel),),
                level=Level.BACKGROUND,
            )
    yield Heading(text="How it was counted", key="how", short="How", level=Level.BACKGROUND)
    yield Definitions(
        entries=(
            ("QEMU", (clean(study.qemu), " ".join(study.options))),
            ("Kernel parameters", (clean(" ".join(study.parameters)),)),
            ("Initial RAM disk, SHA-256", (study.program_sha256,)),
            *_other(study.others),
        )
    )


def _other(setups: Sequence[Setup]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for each in setups:
        yield "QEMU, other architecture", (clean(each.qemu), " ".join(each.options))
        yield "Its kernels' parameters", (clean(" ".join(each.parameters)),)
        yield "Its initial RAM disk, SHA-256", (each.program_sha256,)


def _sentence(name: str, counted: Sequence[KernelCount]) -> str:
    found = [(each, value) for each in counted if (value := _count(each, name)) is not None]
    if not found:
        return ""
    (first, least), (last, most) = found[0], found[-1]
    text = f"{least} instructions on {_name(first)}"
    if first is last:
        return f"{text}."
    return f"{text}, {most} on {_name(last)} ({most - least:+d})."


def _calls(counted: Sequence[KernelCount]) -> Table:
    places = dict.fromkeys((each.name, each.bytes) for kernel in counted for each in kernel.calls)
    several = Counter(name for name, _ in places)
    groups = [name if several[name] > 1 else "" for name, _ in places]
    machines = _by_machine(counted)
    bases = " and ".join(_name(alike[0]) for alike in machines)
    return Table(
        key="instructions",
        title="Instructions of a call",
        corner="call",
        columns=tuple(Column(heading=_name(each)) for alike in machines for each in alike),
        rows=tuple(
            Row(
                heading=Cell(text=f"{clean(name)}, {size} bytes"),
                cells=tuple(
                    cell
                    for alike in machines
                    for cell in _cells([_call(kernel, name, size) for kernel in alike])
                ),
                begins=groups.index(groups[at]) == at,
            )
            for at, (name, size) in enumerate(places)
        ),
        hint=(
            f"The number behind a count is its difference from {bases}. Reserve "
            "writes nothing into the record but for -fill; -wake forces a wake-up, -refused finds "
            "a full buffer, -overwrite overwrites the oldest record, -sharded looks its CPU's ring "
            "up first."
        ),
    )


def _cells(calls: Sequence[CallCount | None]) -> Iterator[Cell]:
    first = calls[0].instructions if calls[0] is not None and calls[0].reproducible else None
    for call in calls:
        if call is None:
            yield Cell(text=NONE)
        elif not call.reproducible:
            yield Cell(text="not reproducible", mark=Mark.BAD, hint=clean(call.why))
        elif call.instructions is None:
            yield Cell(text="refused", mark=Mark.SOFT, hint=clean(call.why))
        else:
            more = call.instructions - first if first is not None else 0
            mark = Mark.OPEN if more > 0 else Mark.GOOD if more < 0 else Mark.NONE
            text = f"{call.instructions:,}" + (f" {more:+,}" if more else "")
            hint = "; ".join(
                f"{each.times} of {RUNS} calls with seed {each.seed}" for each in call.distributions
            )
            yield Cell(text=text, value=call.instructions, mark=mark, hint=hint)


def _remarks(counted: Sequence[KernelCount]) -> Iterator[Note]:
    """Yield what makes a count incomparable, and why calls have none, each reason once."""
    for kernel in counted:
        if not kernel.jit:
            text = f"{_name(kernel)}: the JIT is off, so that its programs are interpreted"
            yield Note(text=text, mark=Mark.OPEN)
        reasons = defaultdict[tuple[bool, str], list[str]](list)
        for call in kernel.calls:
            if not call.reproducible or call.instructions is None:
                reasons[call.reproducible, call.why].append(call.name)
        for (alike, why), names in reasons.items():
            what = ", ".join(dict.fromkeys(names))
            what = "all calls" if len(names) == len(kernel.calls) else what
            verb = "refused" if alike else "not reproducible"
            yield Note(
                text=f"{_name(kernel)}: {verb}: {what} ({clean(why)})",
                mark=Mark.SOFT if alike else Mark.BAD,
            )


def _kernels(kernels: Sequence[KernelCount]) -> Table:
    headings = (
        "release",
        "machine",
        "JIT",
        "clock",
        "empty program",
        "reproducible calls",
        "SHA-256",
    )
    return Table(
        key="kernels",
        title="Kernels",
        corner="kernel",
        columns=tuple(Column(heading=each, numeric=each == "empty program") for each in headings),
        rows=tuple(
            Row(
                heading=Cell(text=_name(each), hint=_origin(each)),
                cells=tuple(_facts(each)) if each.calls else (),
                reason=clean(each.reason),
            )
            for each in kernels
        ),
        hint="SHA-256 of console and report of a boot: the same wherever QEMU and RAM disk are.",
    )


def _origin(kernel: KernelCount) -> str:
    origin = clean(kernel.origin)
    return origin if _name(kernel) == kernel.label else f"{clean(kernel.label)}: {origin}"


def _facts(kernel: KernelCount) -> Iterator[Cell]:
    for text in (kernel.release, kernel.machine, "on" if kernel.jit else "off", kernel.clock):
        yield Cell(text=clean(text))
    yield Cell(text=f"{kernel.empty:,}", value=kernel.empty)
    alike = sum(each.reproducible for each in kernel.calls)
    whole = alike == len(kernel.calls)
    yield Cell(text=f"{alike} of {len(kernel.calls)}", mark=Mark.GOOD if whole else Mark.BAD)
    yield Cell(text=kernel.sha256[:12], hint=kernel.sha256)


def _distributions(number: int, kernel: KernelCount) -> Table:
    headings = ("seed", "mode", f"of {RUNS}", "first", "second values", "page crossings", "ticks")
    return Table(
        key=f"distribution-{number}",
        title=f"All counts on {_name(kernel)}",
        corner="call",
        columns=tuple(Column(heading=each, numeric=each in headings[:4]) for each in headings),
        rows=tuple(
            Row(
                heading=Cell(text=f"{clean(call.name)}, {call.bytes} bytes"),
                cells=tuple(_spread(each)),
                begins=each is call.distributions[0],
            )
            for call in kernel.calls
            for each in call.distributions
        ),
        hint=(
            "Instructions without the empty program's, each with how often it was seen. The clock "
            "rounds to nanoseconds: counts beside the mode may be its neighbours. Ticks are calls "
            "within which something else ran."
        ),
    )


def _spread(found: Distribution) -> Iterator[Cell]:
    for value in (found.seed, found.mode, found.times, found.first):
        yield Cell(text=f"{value:,}", value=value)
    for times in (found.others, found.crossings, found.ticks):
        yield Cell(text=_times(times))


def _times(times: Times) -> str:
    shown = sorted(times, key=lambda each: (-each[1], each[0]))
    words = [f"{value:,}" + (f" x {often}" if often > 1 else "") for value, often in shown]
    if len(words) > _MOST_VALUES:
        words[_MOST_VALUES:] = [f"{len(words) - _MOST_VALUES} more"]
    return ", ".join(words) or NONE
