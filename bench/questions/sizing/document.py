# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer "which buffer, and how large?" as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, log2
from statistics import fmean
from typing import Final

from bench.amounts import counted, given, share, size
from bench.judge.ladder import Rung
from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Traits
from bench.questions.sizing.judge import Sizing, TriedRung
from bench.questions.sizing.plan import Load
from bench.questions.sizing.scaling import Scaled
from bench.questions.transports.tables import rung_row
from bench.questions.transports.words import name, opening
from bench.record.layout import RECORD_BYTES
from bench.report.document import Cell, Document, Mark, Note, Part, Sentence, Table, pick
from bench.report.table import columns
from bench.tracer.transports import traits

FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """Hold the request, and the result of each transport."""

    load: Load
    workers: int  # that make the storm
    exits_per_s: float  # as seen
    tolerated: float
    sizings: Sequence[Sizing]
    cpus: int
    journal: str
    limit_bytes: int | None = None  # of memory
    scaled: Scaled | None = None  # to other CPUs, if requested and known
    unscaled: bool = False  # requested, but unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadData(Load):
    """Hold the requested load, and how much of it was seen."""

    tolerated_share: float
    exits_per_s_seen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportData:
    """Hold what one transport needs, its setting, and how to wake its consumer."""

    minimum_bytes: int | None
    recommended_bytes: int | None
    margin: float
    at_least_size: bool
    soft_edge: bool
    disturbed_storms: int
    configure: dict[str, int | str]
    consumer_bound: bool
    sentence: str
    rungs: tuple[TriedRung, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    load: LoadData
    memory_limit_bytes: int | None
    journal: str
    comparison: str
    transports: dict[str, TransportData]
    scaled: Scaled | None


def document(sized: Sized) -> Document:
    """Return the answer: which buffer, how to configure each, and the losses behind it."""
    first, *more = _load(sized)
    comparison = _comparison(sized)
    parts: list[Part] = [Note(text=text) for text in more]
    transports = {}
    for sizing in sized.sizings:
        said = tuple(_answer(sized, sizing))
        parts += _curve(sized, sizing), *(Sentence(text=text) for text in said)
        transports[sizing.transport] = _data(sized, sizing, " ".join(said))
    parts += (Sentence(text=text) for text in _elsewhere(sized))
    seen = round(sized.exits_per_s, 1)
    return Document(
        title=comparison or f"How large {name(sized.sizings[0].transport)} has to be",
        subject=first,
        parts=tuple(parts),
        data=pick(
            SizeData,
            sized,
            format=FORMAT,
            load=pick(LoadData, sized.load, tolerated_share=sized.tolerated, exits_per_s_seen=seen),
            memory_limit_bytes=sized.limit_bytes,
            comparison=comparison,
            transports=transports,
        ),
    )


def _data(sized: Sized, sizing: Sizing, said: str) -> TransportData:
    way, wanted = traits(sizing.transport), sizing.recommended_bytes
    configure: dict[str, int | str] = {}
    if wanted is not None:
        configure = {way.setting: _setting(way, wanted, sized.cpus), "wake_up": way.wake_policy}
    return pick(
        TransportData,
        sizing,
        soft_edge=sizing.soft is not None,
        configure=configure,
        sentence=said,
    )


def described(load: Load, workers: int, exits_per_s: float) -> str:
    """Return the exits of a load, how many were seen, and what each sends."""
    what = f"exits as fast as {counted(workers, 'process makes', 'processes make')} them"
    if load.replay is not None:
        what = f"exits of the busiest {given(load.seconds, 's')} of a profile"
    elif load.burst:
        exiting = counted(load.burst, "process that exits", "processes that exit")
        what = f"bursts of {exiting} at once"
    elif load.rate_per_s:
        what = f"{load.rate_per_s:,.0f} exits/s"
    sent = f"{counted(load.records_per_exit, 'record')} of "
    if load.mix:
        each = [RECORD_BYTES + padding for padding in load.mix]
        mean = size(round(fmean(each)))
        sent += f"{size(min(each))} to {size(max(each))}, {mean} on average"
    else:
        sent += f"{size(load.record_bytes)} each"
    return f"{what} ({exits_per_s:,.0f} exits/s seen), {sent}"


def _load(sized: Sized) -> Iterator[str]:
    load = sized.load
    stall, lasts = "never stalls", given(load.seconds, "s")
    if load.stall_ms:
        stall = f"reads nothing for {given(load.stall_ms, 'ms')} once a storm"
        lasts += " plus that"
    loss = f"a loss of up to {share(sized.tolerated)}" if sized.tolerated else "no loss"
    yield (
        f"Load: {described(load, sized.workers, sized.exits_per_s)}; "
        f"the consumer {stall}; {loss} is tolerated. A storm lasts {lasts}."
    )
    if load.rate_per_s and sized.exits_per_s < 0.9 * load.rate_per_s:
        yield "Beware: this machine could not make that many exits; what follows holds for fewer."
    disturbed = sum(sizing.disturbed_storms for sizing in sized.sizings)
    storms = sum(rung.trials for sizing in sized.sizings for rung in sizing.rungs)
    if 10 * disturbed >= storms:
        yield (
            f"Beware: {disturbed} of {counted(storms, 'storm')} were disturbed by other processes "
            "or by stolen CPU time; on a quiet machine a smaller size may be enough."
        )
    if not (load.stall_ms or load.burst):
        yield (
            "Beware: with a consumer that never stalls, losses are down to chance, and the minimum "
            "is not sharp; size for the longest stall that your consumer may have (--stall)."
        )


def _curve(sized: Sized, sizing: Sizing) -> Table:
    marks = {sizing.minimum_bytes: "minimum", sizing.recommended_bytes: "recommended"}
    rows = []
    for rung in sizing.rungs:
        row = rung_row(rung, rung.bound, rung.own_dropped_share)
        wanted = rung.budget_bytes == sizing.recommended_bytes
        mark = Cell(text=marks.get(rung.budget_bytes, ""), mark=Mark.GOOD if wanted else Mark.NONE)
        rows.append(replace(row, cells=(*row.cells, mark)))
    lost = "lost more" if sized.tolerated else "lost"
    shown = (f"storms that {lost}", "storms", "at most (95 %)", "records lost")
    return Table(
        key=f"loss-{sizing.transport}",
        title=f"Loss by budget: {name(sizing.transport)}",
        corner="budget",
        columns=columns(*shown, verdict=""),
        rows=tuple(rows),
    )


def _answer(sized: Sized, sizing: Sizing) -> Iterator[str]:
    lossy = partial(_lossy, tolerated=sized.tolerated)
    label = opening(name(sizing.transport))
    minimum, wanted = sizing.minimum_bytes, sizing.recommended_bytes
    if minimum is None or wanted is None:
        top = sizing.rungs[-1]
        within = f" within {size(sized.limit_bytes)} of memory" if sized.limit_bytes else ""
        yield (
            f"{label}: no size{within} is enough. At {size(top.budget_bytes)}, the largest tried, "
            f"{lossy(top)}, {share(top.own_dropped_share)} of all."
        )
    else:
        way = traits(sizing.transport)
        timer = f", or drain by a timer at least every {given(sized.load.stall_ms, 'ms')}"
        yield (
            f"{label}: set {_configured(way, wanted, sized.cpus)}, and {way.wake_policy}"
            f"{timer if sized.load.stall_ms else ''}."
        )
        rung, below, seen = map(sizing.tried, (minimum, minimum // 2, wanted))
        at = f"{lossy(rung)}; 95 % bound {share(rung.bound)}" if rung else ""
        if sizing.at_least_size:
            yield f"The minimum is {size(minimum)} ({at}): there is no smaller size."
        elif below is not None:
            yield (
                f"The minimum is {size(minimum)} ({at}); at {size(below.budget_bytes)}, "
                f"{below.lossy} of {below.trials} did."
            )
        if seen is not None and wanted > minimum:
            yield (
                f"The recommended size is {wanted // minimum} x the minimum (margin "
                f"{sizing.margin:g}), at which {lossy(seen)}."
            )
        elif sizing.margin > 1:
            yield "There is no larger size, so no margin is left."
    if sizing.consumer_bound:
        yield (
            "No size helps for long: where records were lost the consumer was never idle, so the "
            "consumer is the limit, and a buffer that holds a storm of "
            f"{given(sized.load.seconds, 's')} fills up in a longer one. Make the consumer faster, "
            "or send less."
        )
    if sizing.soft is not None:
        yield (
            "Near the minimum chance decides rather than the load: at a quarter of it only "
            f"{lossy(sizing.soft)}."
        )


def _lossy(rung: Rung, tolerated: float) -> str:
    lost = f"more than {share(tolerated)} of their records" if tolerated else "records"
    return f"{rung.lossy} of {counted(rung.trials, 'storm')} lost {lost}"


def _setting(way: Traits, data_bytes: int, cpus: int) -> int:
    """Return the value of a transport's setting for its size."""
    return data_bytes // way.buffers(cpus) // (PAGE_BYTES if way.in_pages else 1)


def _configured(way: Traits, data_bytes: int, cpus: int) -> str:
    """Write the size of a transport as it is set: "page_cnt=16 for each CPU (128 KiB over ..."."""
    over = f" over {counted(way.buffers(cpus), way.sharer)}" if way.per_cpu else ""
    setting = f"{way.setting}={_setting(way, data_bytes, cpus)}{way.share}"
    return f"{setting} ({size(data_bytes)}{over})"


def _elsewhere(sized: Sized) -> Iterator[str]:
    """Yield the need of other CPUs, by the model."""
    if sized.unscaled:
        yield (
            "The size for another number of CPUs cannot be estimated: too few storms lost records "
            "for the backlog to be known. Use a longer --stall."
        )
    model = sized.scaled
    if model is None or not model.minimum_bytes:
        return
    doublings = max(0, ceil(log2(sized.sizings[0].margin)))
    needs = "; ".join(
        f"{name(transport)} {_configured(traits(transport), least << doublings, model.cpus)}"
        for transport, least in model.minimum_bytes.items()
    )
    yield (
        f"On {counted(model.cpus, 'CPU')}, by a model and not measured: {needs}. The backlog of "
        f"{model.backlog_records:,} records (fitted to {counted(model.storms, 'storm')} that lost "
        "some) lies in one ring as it does here, and is spread at random over per-CPU buffers; the "
        f"answer is scaled to agree with what was measured on {sized.cpus}."
    )


def _comparison(sized: Sized) -> str:
    """Return which transport needs least, if more than one was tried."""
    if len(sized.sizings) < 2:
        return ""
    found = {sizing.transport: sizing.minimum_bytes for sizing in sized.sizings}
    known = {transport: value for transport, value in found.items() if value is not None}
    if not known:
        lost = {e.transport: e.rungs[-1].own_dropped_share for e in sized.sizings}
        shares = ", ".join(f"{name(each)} {share(value)}" for each, value in lost.items())
        best = name(min(lost, key=lost.__getitem__))
        return f"No size tried is enough; {best} loses least ({shares} of the records)."
    least = min(known.values())
    winners = [name(each) for each, value in known.items() if value == least]
    if len(winners) == len(found):
        enough = f"{size(least)} of each, data bytes over all CPUs"
        return f"Use any of them: this load needs at least {enough}."
    needs = ", ".join(f"{size(value)} of {name(each)}" for each, value in known.items())
    return f"Use {' or '.join(winners)}: this load needs at least {needs}."
