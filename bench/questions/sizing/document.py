# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The answer to "which buffer, and how big?" as a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log2
from statistics import fmean
from typing import Final

from bench.amounts import counted
from bench.judge.ladder import Rung
from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Traits
from bench.questions.sizing.judge import Sizing
from bench.questions.sizing.plan import Load
from bench.questions.sizing.scaling import Scaled
from bench.questions.transports.words import name
from bench.record.layout import RECORD_BYTES
from bench.report.document import Cell, Column, Document, Note, Part, Row, Sentence, Table, pick
from bench.report.units import share, size
from bench.tracer.transports import traits

FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """What was asked, and what came out for each transport."""

    load: Load
    workers: int  # that make the storm
    exits_per_s: float  # as seen
    tolerated: float
    sizings: Sequence[Sizing]
    cpus: int
    journal: str
    limit_bytes: int | None = None  # of memory
    scaled: Scaled | None = None  # to other CPUs, where that was asked for and can be said
    unscaled: bool = False  # asked for, and cannot be said

    def setting(self, way: Traits, data_bytes: int, cpus: int | None = None) -> int:
        """Return what to set the size of ``way`` to."""
        unit = PAGE_BYTES if way.in_pages else 1
        return data_bytes // way.buffers(cpus or self.cpus) // unit


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadData(Load):
    """The load that was asked for, and what of it was seen."""

    tolerated_share: float
    exits_per_s_seen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RungData(Rung):
    """One budget that was tried."""

    own_dropped_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportData:
    """What one transport needs; ``configure`` has its setting, and how to wake its consumer."""

    minimum_bytes: int | None
    recommended_bytes: int | None
    margin: float
    at_least_size: bool
    soft_edge: bool
    disturbed_storms: int
    configure: dict[str, int | str]
    consumer_bound: bool
    sentence: str
    rungs: tuple[RungData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeData:
    """What JSON has; ``format`` goes up when a key changes its meaning."""

    format: int
    load: LoadData
    memory_limit_bytes: int | None
    journal: str
    comparison: str
    transports: dict[str, TransportData]
    scaled: Scaled | None


def document(sized: Sized) -> Document:
    """Return the answer: which buffer, how to configure each, and the losses it rests on."""
    first, *more = _load(sized)
    comparison = _comparison(sized)
    parts: list[Part] = [Note(text=text) for text in more]
    transports = {}
    for sizing in sized.sizings:
        sentences = list(_answer(sized, sizing))
        parts += [_curve(sizing), *(Sentence(text=text) for text in sentences)]
        way, wanted = traits(sizing.ladder.transport), sizing.recommended_bytes
        configure: dict[str, int | str] = {}
        if wanted is not None:
            configure = {way.setting: sized.setting(way, wanted), "wake_up": way.wake_policy}
        transports[sizing.ladder.transport] = pick(
            TransportData,
            sizing,
            soft_edge=sizing.soft is not None,
            consumer_bound=sizing.busy,
            disturbed_storms=sizing.disturbed,
            configure=configure,
            sentence=" ".join(sentences),
            rungs=tuple(
                pick(RungData, rung, own_dropped_share=sizing.lost_shares[rung.budget_bytes])
                for rung in sizing.ladder.rungs
            ),
        )
    parts += [Sentence(text=text) for text in _elsewhere(sized)]
    return Document(
        title=comparison or f"How large {name(sized.sizings[0].ladder.transport)} has to be",
        subject=first,
        parts=tuple(parts),
        data=SizeData(
            format=FORMAT,
            load=pick(
                LoadData,
                sized.load,
                tolerated_share=sized.tolerated,
                exits_per_s_seen=round(sized.exits_per_s, 1),
            ),
            memory_limit_bytes=sized.limit_bytes,
            journal=sized.journal,
            comparison=comparison,
            transports=transports,
            scaled=sized.scaled,
        ),
    )


def sent(load: Load) -> str:
    """Return what an exit sends: "2 records of 72 B each"."""
    records = counted(load.records_per_exit, "record")
    if not load.mix:
        return f"{records} of {size(load.record_bytes)} each"
    each = [RECORD_BYTES + padding for padding in load.mix]
    mean = size(round(fmean(each)))
    return f"{records} of {size(min(each))} to {size(max(each))}, {mean} on average"


def _load(sized: Sized) -> Iterator[str]:
    load = sized.load
    what = f"exits as fast as {counted(sized.workers, 'process makes', 'processes make')} them"
    if load.burst or load.rate_per_s:
        bursts = (
            f"bursts of {counted(load.burst, 'process that exits', 'processes that exit')} at once"
        )
        what = bursts if load.burst else f"{load.rate_per_s:,.0f} exits/s"
    if load.replay is not None:
        what = f"exits as the busiest {load.seconds:g} s of a profile have them"
    stall = f"reads nothing for {load.stall_ms:g} ms once a storm"
    loss = f"up to {share(sized.tolerated)} of" if sized.tolerated else "no"
    yield (
        f"Load: {what} ({sized.exits_per_s:,.0f} exits/s seen), {sent(load)}; "
        f"the consumer {stall if load.stall_ms else 'never stalls'}"
        f"; {loss} loss tolerated. Storms of {load.seconds:g} s besides the stall."
    )
    if load.rate_per_s and sized.exits_per_s < 0.9 * load.rate_per_s:
        yield "Beware: this machine could not make that many exits; what follows holds for fewer."
    disturbed = sum(sizing.disturbed for sizing in sized.sizings)
    storms = sum(rung.trials for sizing in sized.sizings for rung in sizing.ladder.rungs)
    if 10 * disturbed >= storms:
        yield (
            f"Beware: {disturbed} of {counted(storms, 'storm')} disturbed, by stolen CPU time or "
            "by exits of other processes; on a quiet machine less may be enough."
        )
    if not (load.stall_ms or load.burst):
        yield (
            "Beware: with a consumer that never stalls, loss is chance, so that the edge is soft; "
            "size for the longest stall that yours may have (--stall)."
        )


def _curve(sizing: Sizing) -> Table:
    marks = {sizing.minimum_bytes: "minimum", sizing.recommended_bytes: "recommended"}
    headings = ("storms that lost", "storms", "at most (95 %)", "records lost", "")
    rows = []
    for rung in sizing.ladder.rungs:
        numbers: list[tuple[float, Callable[[float], str]]] = [
            (rung.lossy, str),
            (rung.trials, str),
            (rung.bound, share),
            (sizing.lost_shares[rung.budget_bytes], share),
        ]
        cells = [Cell(text=write(value), value=value) for value, write in numbers]
        cells.append(Cell(text=marks.get(rung.budget_bytes, "")))
        heading = Cell(text=size(rung.budget_bytes), value=rung.budget_bytes)
        rows.append(Row(heading=heading, cells=tuple(cells)))
    return Table(
        key=f"loss-{sizing.ladder.transport}",
        title=f"Loss by budget: {name(sizing.ladder.transport)}",
        corner="budget",
        columns=tuple(Column(heading=each, numeric=bool(each)) for each in headings),
        rows=tuple(rows),
    )


def _answer(sized: Sized, sizing: Sizing) -> Iterator[str]:
    label = name(sizing.ladder.transport).capitalize()
    minimum, wanted = sizing.minimum_bytes, sizing.recommended_bytes
    if minimum is None or wanted is None:
        top = sizing.ladder.rungs[-1]
        within = f" within {size(sized.limit_bytes)} of memory" if sized.limit_bytes else ""
        yield (
            f"{label}: no size{within} is enough. At {size(top.budget_bytes)}, the largest tried, "
            f"{top.lossy} of {counted(top.trials, 'storm')} lost something, "
            f"{share(sizing.lost_shares[top.budget_bytes])} of their records."
        )
        if sizing.busy:
            yield _busy(sized)
        return
    way = traits(sizing.ladder.transport)
    timer = f", or drain by a timer at least every {sized.load.stall_ms:g} ms"
    over = f" over {counted(way.buffers(sized.cpus), way.sharer)}" if way.per_cpu else ""
    yield (
        f"{label}: set {way.setting}={sized.setting(way, wanted)}{way.share} "
        f"({size(wanted)}{over}), and {way.wake_policy}{timer if sized.load.stall_ms else ''}."
    )
    rung, below, seen = map(sizing.tried, (minimum, minimum // 2, wanted))
    at = (
        f"{rung.lossy} of {counted(rung.trials, 'storm')}, at most {share(rung.bound)}"
        if rung
        else ""
    )
    if sizing.at_least_size:
        yield f"The minimum is {size(minimum)} ({at}): nothing smaller exists."
    elif below is not None:
        yield (
            f"The minimum is {size(minimum)} (lost in {at}); "
            f"{size(below.budget_bytes)} lost in {below.lossy} of {below.trials}."
        )
    if seen is not None and wanted > minimum:
        yield (
            f"The recommendation is {wanted // minimum} x the minimum (margin {sizing.margin:g}), "
            f"and lost in {seen.lossy} of {counted(seen.trials, 'storm')}."
        )
    elif sizing.margin > 1:
        yield "There is no larger size to leave a margin with."
    if sizing.busy:
        yield _busy(sized)
    if sizing.soft is not None:
        yield (
            f"The edge is soft: at a quarter of the minimum only {sizing.soft.lossy} of "
            f"{counted(sizing.soft.trials, 'storm')} lost something, so that chance "
            "decides, not the load."
        )


def _busy(sized: Sized) -> str:
    return (
        "No size helps for long: where records were lost the consumer never rested, so it is the "
        f"limit, and a buffer that holds a storm of {sized.load.seconds:g} s fills up in a longer "
        "one. Make the consumer faster, or send less."
    )


def _elsewhere(sized: Sized) -> Iterator[str]:
    """Say what other CPUs need, by the model."""
    if sized.unscaled:
        yield (
            "What other CPUs need cannot be said: too few storms lost anything for the backlog to "
            "be known. Take a longer --stall."
        )
    if sized.scaled is None or not sized.scaled.minimum_bytes:
        return
    cpus, needs = sized.scaled.cpus, []
    for transport, minimum_bytes in sized.scaled.minimum_bytes.items():
        way, margin = traits(transport), sized.sizings[0].margin
        wanted = minimum_bytes << max(0, ceil(log2(margin)))
        setting = sized.setting(way, wanted, cpus)
        over = f" over {counted(way.buffers(cpus), way.sharer)}" if way.per_cpu else ""
        needs.append(f"{name(transport)} {way.setting}={setting}{way.share} ({size(wanted)}{over})")
    yield (
        f"On {counted(cpus, 'CPU')}, by a model and not measured: {'; '.join(needs)}. The backlog "
        f"of {sized.scaled.backlog_records:,} records (fitted to "
        f"{counted(sized.scaled.storms, 'storm')} that lost some) lies in one ring as here, and is "
        "spread at random over buffers of each CPU; the answer is scaled so that it gives what was "
        f"found on {sized.cpus}."
    )


def _comparison(sized: Sized) -> str:
    """Say which transport needs least, where more than one was tried."""
    if len(sized.sizings) < 2:
        return ""
    found = ((sizing.ladder.transport, sizing.minimum_bytes) for sizing in sized.sizings)
    least = {transport: value for transport, value in found if value is not None}
    if not least:
        return _least_lossy(sized)
    needs = ", ".join(f"{name(transport)} {size(value)}" for transport, value in least.items())
    lowest = min(least.values())
    winners = [transport for transport, value in least.items() if value == lowest]
    if len(winners) == len(sized.sizings):
        return f"Which buffer: all need the same for this load ({needs}), data bytes over all CPUs."
    return f"Which buffer: {' and '.join(map(name, winners))}, needing least ({needs})."


def _least_lossy(sized: Sized) -> str:
    """Say which transport loses least at the largest size tried, where none is large enough."""
    lost = {each.ladder.transport: _at_most(each) for each in sized.sizings}
    shares = ", ".join(f"{name(transport)} {share(least)}" for transport, least in lost.items())
    best = min(lost, key=lost.__getitem__)
    return (
        f"Which buffer: none is large enough; {name(best)} loses least ({shares} of the records)."
    )


def _at_most(sizing: Sizing) -> float:
    """Return the share of records lost at the largest size."""
    return sizing.lost_shares[sizing.ladder.rungs[-1].budget_bytes]
