# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show the counts of all kernels as a document; its data is the study itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from bench import amounts
from bench.errors import clean
from bench.judge.metrics import Unit
from bench.questions.exact import by_function
from bench.questions.exact.plan import PERF, RUNS
from bench.questions.exact.study import CallCount, KernelCount, Setup, Study, Times
from bench.record.layout import RECORD_BYTES
from bench.report import document as doc
from bench.report.table import Value, columns, row

_HEADLINES: Final = ("reserve-submit", "ring-output", PERF)
_MOST_VALUES: Final = 8
_EMPTY: Final = "empty program"
_FACTS: Final = (*("release", "machine", "JIT", "clock", _EMPTY, "reproducible calls", "SHA-256"),)
_KINDS: Final = ("second values", "page crossings", "ticks")  # of values beside the mode
_SHORTLY: Final = (
    "An instruction count is not time: it leaves out caches, branch prediction, memory latency and "
    "contention, and a locked instruction counts like any other. It holds for these builds of the "
    "kernels, this QEMU and these options."
)
_IS_NOT: Final = {
    "time": "it leaves out caches, branch prediction, memory latency and the cost of interrupts; "
    "a locked instruction counts like a nop",
    "a ratio of times": "ring against perf in instructions says nothing about their ratio in "
    "nanoseconds",
    "contention": "a guest has one CPU, so nothing waits for a lock",
    "valid elsewhere": "it belongs to one architecture and build of a kernel (compiler, options, "
    "mitigations), one build of QEMU and one set of options",
    "representative": "a repetition is not a second sample; another seed is, and must give the "
    "same mode",
}


def document(study: Study) -> doc.Document:
    """Return the answer: headlines, the table of calls by kernels, and its basis."""
    counted = [each for each in study.kernels if each.calls]
    return doc.Document(
        title=_title(counted),
        subject=(
            f"QEMU {clean(study.qemu)}, which counts instructions; mode of {RUNS} calls, without "
            "the empty program's. Reproducible: equal with two seeds, byte for byte when repeated"
        ),
        parts=tuple(_parts(study, counted)),
        data=study,
        short="Instructions",
        journals=False,
        measures=tuple(_measures(counted)),
        checks=tuple(_checks(counted)),
    )


def _measures(counted: Sequence[KernelCount]) -> Iterator[doc.Measure]:
    for kernel, call in _each_call(counted):
        if call.counted is not None:
            yield doc.Measure(
                number="instructions",
                labels=(("kernel", kernel.label), ("call", call.name), ("bytes", str(call.bytes))),
                name=f"instructions of {call}, on {kernel.name}",
                value=call.counted,
                unit=Unit.COUNT,
            )


def _checks(counted: Sequence[KernelCount]) -> Iterator[doc.Check]:
    for kernel, call in _each_call(counted):
        counts = doc.Passing.SKIPPED if call.instructions is None else doc.Passing.PASSED
        yield doc.Check(
            name=f"{kernel.name}: {call}, is reproducible",
            outcome=counts if call.reproducible else doc.Passing.FAILED,
            text=clean(call.why) or f"{call.instructions:,} instructions",
        )


def _each_call(counted: Sequence[KernelCount]) -> Iterator[tuple[KernelCount, CallCount]]:
    return ((kernel, call) for kernel in counted for call in kernel.calls)


def _title(counted: Sequence[KernelCount]) -> str:
    for name in _HEADLINES:
        spans: list[str] = []
        for found in _found(name, counted):
            values = [value for _, value in found]
            span = " to ".join(f"{each:,}" for each in sorted({min(values), max(values)}))
            where = found[0][0] if len(found) == 1 else amounts.counted(len(found), "kernel")
            spans.append(f"{span}{'' if spans else ' instructions'} on {where}")
        if spans:
            return f"{name} of {RECORD_BYTES} bytes takes {' and '.join(spans)}"
    return "No call was counted reproducibly" if counted else "No kernel was counted"


def _by_machine(counted: Sequence[KernelCount]) -> list[list[KernelCount]]:
    """Return the kernels of each architecture, between which counts are not compared."""
    machines = dict.fromkeys(each.machine for each in counted)
    return [[each for each in counted if each.machine == machine] for machine in machines]


def _found(name: str, counted: Sequence[KernelCount]) -> Iterator[list[tuple[str, int]]]:
    """Yield, for each architecture, the kernels that counted a call, and its instructions."""
    for alike in _by_machine(counted):
        calls = ((kernel.name, kernel.by_key.get((name, RECORD_BYTES))) for kernel in alike)
        counts = ((label, call.counted) for label, call in calls if call is not None)
        if found := [(label, count) for label, count in counts if count is not None]:
            yield found


def _parts(study: Study, counted: Sequence[KernelCount]) -> Iterator[doc.Part]:
    for name in _HEADLINES:
        if text := " ".join(map(_sentence, _found(name, counted))):
            yield doc.Sentence(lead=f"{name}, {RECORD_BYTES} bytes", text=text)
    yield doc.Note(text=_SHORTLY)
    if counted:
        yield _calls(counted)
        yield from _remarks(counted)
        yield from by_function.parts(counted, _HEADLINES)
    yield _kernels(study.kernels)
    yield doc.Heading(
        text="What an instruction count is not", key="not", level=doc.Level.BACKGROUND
    )
    yield doc.definitions(_IS_NOT)
    if counted:
        yield doc.Heading(
            text="Distributions",
            key="distributions",
            short="Distributions",
            level=doc.Level.BACKGROUND,
        )
        for number, kernel in enumerate(counted, 1):
            table = _distributions(number, kernel)
            yield doc.Fold(
                key=f"distributions-{number}",
                summary=table.title,
                parts=(table,),
                level=doc.Level.BACKGROUND,
            )
    yield doc.Heading(text="How it was counted", key="how", short="How", level=doc.Level.BACKGROUND)
    yield doc.Definitions(
        entries=tuple(
            (f"{term}, other architecture" if at else term, tuple(texts))
            for at, setup in enumerate((doc.pick(Setup, study), *study.others))
            for term, *texts in (
                ("QEMU", clean(setup.qemu), " ".join(setup.options)),
                ("Kernel parameters", clean(" ".join(setup.parameters))),
                ("Initial RAM disk, SHA-256", setup.program_sha256),
            )
        )
    )


def _sentence(found: Sequence[tuple[str, int]]) -> str:
    (first, least), (last, most) = found[0], found[-1]
    text = f"{least} instructions on {first}"
    return f"{text}." if len(found) == 1 else f"{text}, {most} on {last} ({most - least:+d})."


def _calls(counted: Sequence[KernelCount]) -> doc.Table:
    machines = _by_machine(counted)
    headings = {(call.name, call.bytes): str(call) for _, call in _each_call(counted)}
    sizes = Counter(name for name, _ in headings)
    groups = [name if sizes[name] > 1 else "" for name, _ in headings]
    return doc.Table(
        key="instructions",
        title="Instructions of a call",
        corner="call",
        columns=columns(*(each.name for alike in machines for each in alike)),
        rows=tuple(
            row(
                heading,
                *chain(*(_cells([each.by_key.get(key) for each in alike]) for alike in machines)),
                begins=groups.index(groups[at]) == at,
            )
            for at, (key, heading) in enumerate(headings.items())
        ),
        hint=(
            "The number in parentheses is the difference from "
            f"{' and '.join(alike[0].name for alike in machines)}. Reserve "
            "writes nothing into the record but for -fill; -wake forces a wake-up, -refused finds "
            "a full buffer, -overwrite overwrites the oldest record, -sharded looks its CPU's ring "
            "up first."
        ),
    )


def _cells(calls: Sequence[CallCount | None]) -> Iterator[doc.Cell]:
    """Yield a call's counts, each with its difference from the first kernel's."""
    first = calls[0].counted if calls[0] is not None else None
    for call in calls:
        if call is None:
            yield doc.Cell(text=doc.NONE)
        elif not call.reproducible:
            yield doc.Cell(text="not reproducible", mark=doc.Mark.BAD, hint=clean(call.why))
        elif call.instructions is None:
            yield doc.Cell(text="refused", mark=doc.Mark.SOFT, hint=clean(call.why))
        else:
            more = call.instructions - first if first is not None else 0
            modes = (f"{e.times} of {RUNS} calls with seed {e.seed}" for e in call.distributions)
            yield doc.Cell(
                text=f"{call.instructions:,}" + (f" {more:+,}" if more else ""),
                value=call.instructions,
                mark=by_function.mark(more),
                hint="; ".join(modes),
            )


def _remarks(counted: Sequence[KernelCount]) -> Iterator[doc.Note]:
    """Yield why counts are not comparable, and why calls have none, each reason once."""
    for kernel in counted:
        if not kernel.jit:
            text = f"{kernel.name}: the JIT is off, so its programs are interpreted"
            yield doc.Note(text=text, mark=doc.Mark.OPEN)
        reasons = defaultdict[tuple[bool, str], list[str]](list)
        for call in kernel.calls:
            if not call.reproducible or call.instructions is None:
                reasons[call.reproducible, call.why].append(call.name)
        for (alike, why), names in reasons.items():
            every = len(names) == len(kernel.calls)
            what = "all calls" if every else ", ".join(dict.fromkeys(names))
            verb, mark = ("refused", doc.Mark.SOFT) if alike else ("not reproducible", doc.Mark.BAD)
            yield doc.Note(text=f"{kernel.name}: {verb}: {what} ({clean(why)})", mark=mark)


def _kernels(kernels: Sequence[KernelCount]) -> doc.Table:
    return doc.Table(
        key="kernels",
        title="Kernels",
        corner="kernel",
        columns=columns(*_FACTS, text={*_FACTS} - {_EMPTY}),
        rows=tuple(map(_kernel, kernels)),
        hint="SHA-256 of console and report of a boot: the same with the same QEMU and RAM disk.",
    )


def _kernel(kernel: KernelCount) -> doc.Row:
    whole = "" if kernel.name == kernel.label else f"{kernel.label}: "  # of a label cut short
    heading = doc.Cell(text=kernel.name, hint=clean(f"{whole}{kernel.origin}"))
    texts = (kernel.release, kernel.machine, "on" if kernel.jit else "off", kernel.clock)
    alike, every = sum(each.reproducible for each in kernel.calls), len(kernel.calls)
    mark = doc.Mark.GOOD if alike == every else doc.Mark.BAD
    reproducible = doc.Cell(text=f"{alike} of {every}", mark=mark)
    digest = doc.Cell(text=kernel.sha256[:12], hint=kernel.sha256)
    facts: tuple[Value, ...] = (*map(clean, texts), kernel.empty, reproducible, digest)
    return row(heading, *(facts if every else ()), reason=clean(kernel.reason))


def _distributions(number: int, kernel: KernelCount) -> doc.Table:
    return doc.Table(
        key=f"distribution-{number}",
        title=f"All counts on {kernel.name}",
        corner="call",
        columns=columns("seed", "mode", f"of {RUNS}", "first", *_KINDS, text=_KINDS),
        rows=tuple(
            row(
                str(call),
                *(each.seed, each.mode, each.times, each.first),
                *map(_times, (each.others, each.crossings, each.ticks)),
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


def _times(times: Times) -> str:
    shown = sorted(times, key=lambda each: (-each[1], each[0]))
    words = [f"{value:,}" + (f" x {often}" if often > 1 else "") for value, often in shown]
    if len(words) > _MOST_VALUES:
        words[_MOST_VALUES:] = [f"{len(words) - _MOST_VALUES} more"]
    return ", ".join(words) or doc.NONE
