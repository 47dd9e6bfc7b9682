# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare designs side by side: what contradicts what, and a precision that is out of reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from math import inf
from types import SimpleNamespace

import pytest

from bench.amounts import share
from bench.judge.comparison import Compared, Outcome, outcome_of
from bench.judge.metrics import Group, Unit
from bench.judge.statistics import Estimate, Scale
from bench.plan.arms import compose_duet, side
from bench.plan.config import Duet, TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.duet import run
from bench.questions.duet.designs import designs
from bench.questions.duet.document import FORMAT, DuetData, NumberData, document
from bench.questions.duet.judge import Duel
from bench.report.document import NONE, Document, Note, Sentence, Table
from bench.tracer.transports import find

DUEL = Duel(
    storms=8, left_out=0, lossy=0, rows=(), raised=(1.0, 1.0), apart=None, later_share=None, p=None
)  # fmt: skip

DUET = compose_duet(
    "pair",
    "",
    (side("ringbuf", find),) * 2,
    TrialConfig(transport="none", budget_bytes=0, duet=Duet()),
    1 << 20,
    blocks=8,
    cpus=2,
)

SOLO = TrialConfig(transport="ringbuf", budget_bytes=1 << 20, duet=Duet(solo=True))


def number(key: str, low: float, high: float) -> NumberData:
    return NumberData(
        key=key,
        first=1.0,
        second=1.0,
        ratio=(low * high) ** 0.5,
        low=low,
        high=high,
        verdict=Outcome.LESS,
        resolvable=0.1,
        inexact=0.0,
        storms=8,
    )


def data(assign: str, *numbers: NumberData) -> DuetData:
    return DuetData(
        format=FORMAT,
        first="ringbuf@1MiB",
        second="perfbuf@1MiB",
        workload="storm",
        assign=assign,
        storms=8,
        left_out=0,
        lossy=0,
        margin=0.02,
        later_share=None,
        p=None,
        raised=(0.8, 1.0),
        apart=None,
        given_up="",
        journal="x.jsonl",
        numbers=numbers,
        carried=(),
    )


def test_each_design_has_a_name_in_a_list_of_sections() -> None:
    alone = replace(DUET, arms=tuple(replace(arm, config=SOLO) for arm in DUET.arms))
    found = [document(each, DUEL, margin=0.02, journal="") for each in (DUET, alone)]
    shorts = [each.short for each in (designs([each.data for each in found]), *found)]
    assert shorts == ["Designs", "By process", "Each alone"]


def test_only_intervals_with_nothing_in_common_contradict_each_other() -> None:
    found = designs(
        [
            data("record", number("write_ns", 0.80, 0.90), number("latency_p50_ns", 0.9, 1.0)),
            data("1ms", number("write_ns", 0.70, 0.79), number("latency_p50_ns", 0.85, 0.95)),
            data("solo", number("write_ns", 0.60, 0.95)),
        ]
    )
    (only,) = found.data.contradictions
    assert (only.key, only.designs) == ("write_ns", ("record", "1ms"))
    assert round(only.apart, 3) == round((0.8 * 0.9) ** 0.5 / (0.7 * 0.79) ** 0.5 - 1, 3)
    said = [part.text for part in found.parts if isinstance(part, Sentence)]
    assert len(said) == 1
    assert "by process and windows of 1ms" in said[0]


def test_the_table_has_a_column_for_each_design() -> None:
    both = number("write_ns", 0.80, 0.90), number("latency_p50_ns", 0.9, 1.0)
    found = designs([data("record", *both), data("1ms", *both), data("solo", both[0])])
    (table,) = (part for part in found.parts if isinstance(part, Table))
    assert [column.heading for column in table.columns] == [
        *("by process", "windows of 1ms", "each alone")
    ]
    cells = {each.heading.text: [cell.text for cell in each.cells] for each in table.rows}
    assert cells["median latency"][2] == NONE
    assert cells["wake-ups per record"] == ["0.800", "0.800", "0.800, 1.00"]
    assert cells["storms"] == ["8", "8", "8"]


class Running:
    """Count the storms that are requested, and run none."""

    def __init__(self, storms: int = 0) -> None:
        self.asked: dict[str, int] = {}
        self.trials = [SimpleNamespace(experiment=DUET.name, block=each) for each in range(storms)]

    def run(self, experiment: Experiment, *_: object, first_block: int) -> tuple[()]:
        self.asked[experiment.name] = first_block + 1
        self.trials.append(SimpleNamespace(experiment=experiment.name, block=first_block))
        return ()


def as_wide_as(width: float, point: float = 1.0, margin: float = 0.0) -> Compared:
    found = Estimate(
        scale=Scale.RATIO,
        point=point,
        low=point / (1 + width),
        high=point * (1 + width),
        blocks=8,
        p=1.0,
    )
    return Compared(
        key="write_ns",
        label="",
        group=Group.COST,
        unit=Unit.NS,
        left=1.0,
        right=1.0,
        estimate=found,
        floor=None,
        margin=margin,
        outcome=outcome_of(found, margin, 0.02 - margin),
        more_is_better=False,
    )


def measured(
    monkeypatch: pytest.MonkeyPatch,
    widths: dict[str, Callable[[int], float]],
    point: float = 1.0,
    margin: float = 0.0,
    *,
    storms_asked: int = 24,
    precision: float | None = 0.02,
) -> tuple[dict[str, Duel], dict[str, int]]:
    """Measure duets whose half intervals are known by storms; each turn takes a second of 60."""
    turns = count()
    monkeypatch.setattr(run.time, "monotonic", lambda: next(turns) / 2)
    running = Running()

    def judge(duet: Experiment, *_: object, **_brief: object) -> Duel:
        width = widths[duet.name](running.asked[duet.name])
        return replace(DUEL, rows=(as_wide_as(width, point, margin),))

    monkeypatch.setattr(run, "judge", judge)
    duets = [Experiment(name=name, title="", arms=(), blocks=1) for name in widths]
    until = run.Until(storms=storms_asked, precision=precision, seconds=60.0, margin=0.02, seed=1)
    return run.measure(duets, until, running, lambda _: None), running.asked


def test_each_design_ends_when_it_is_precise_and_a_hopeless_one_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, storms = measured(
        monkeypatch,
        {
            "quick": lambda _: 0.01,
            "settles": lambda count: 0.101 / count**0.5,
            "hopeless": lambda count: 3.0 / count**0.5,
        },
    )
    assert storms == {"quick": 8, "settles": 26, "hopeless": 16}
    assert found["quick"].given_up == found["settles"].given_up == ""
    assert "left after 16 storms" in found["hopeless"].given_up
    assert "some 22,5" in found["hopeless"].given_up  # (3 / 0.02) squared


def test_one_that_may_yet_be_precise_runs_to_the_end_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, storms = measured(monkeypatch, {"close": lambda count: 0.25 / count**0.5})
    assert 50 < storms["close"] < 70
    reached = 0.25 / storms["close"] ** 0.5
    assert found["close"].given_up == (
        f"out of time after {storms['close']} storms: precise within {share(reached)}, not 2 %"
    )


def test_storms_that_time_was_too_short_for_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found, storms = measured(
        monkeypatch, {"slow": lambda _: 0.01}, storms_asked=900, precision=None
    )
    assert 50 < storms["slow"] < 70
    assert found["slow"].given_up == f"out of time after {storms['slow']} storms of 900"


def test_a_duet_that_compares_nothing_is_left_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, storms = measured(monkeypatch, {"empty": lambda _: inf})
    assert storms == {"empty": 16}
    assert found["empty"].given_up.startswith("left after 16 storms: too few of them")


def answered(duel: Duel) -> Document:
    """Return what is said of a duet of two rings."""
    return document(DUET, duel, margin=0.02, journal="j.jsonl")


@pytest.mark.parametrize("storms", [0, 8])
def test_without_a_number_the_answer_says_so(storms: int) -> None:
    found = answered(replace(DUEL, storms=storms, left_out=8 - storms))
    assert not [part for part in found.parts if isinstance(part, Table)]
    notes = [part.text for part in found.parts if isinstance(part, Note)]
    assert notes[0].startswith("Nothing could be compared")


def test_too_few_storms_are_no_verdict_and_say_how_many_it_takes() -> None:
    row = as_wide_as(0.01)
    assert row.estimate is not None
    row = replace(row, estimate=replace(row.estimate, blocks=5), outcome=Outcome.TOO_FEW)
    found = answered(replace(DUEL, rows=(row,)))
    (said,) = (part.text for part in found.parts if isinstance(part, Sentence))
    assert said == "too few blocks: 5, and a verdict needs 8."


@pytest.mark.parametrize(
    ("point", "margin", "storms"),
    [(1.0, 0.0, 10), (1.008, 0.0, 26), (1.014, 0.0, 19), (1.01, 0.005, 10), (1.01, 0.01, 10)],
    ids=["equivalent", "soon equivalent", "soon more", "longer than there is time", "never"],
)
def test_what_is_precise_goes_on_only_where_time_will_settle_it(
    point: float, margin: float, storms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = {"one": lambda count: 0.06 / count**0.5}
    _, asked = measured(monkeypatch, widths, point, margin)
    assert asked == {"one": storms}


@pytest.mark.parametrize(
    ("point", "storms"),
    [(0.8, 24), (0.95, 33), (0.975, 113)],
    ids=["less", "soon less", "out of time"],
)
def test_duets_of_a_profile_get_storms_until_they_are_settled(
    point: float, storms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 24 storms on, and for half a minute; other experiments are left as they are."""
    turns = count()
    monkeypatch.setattr(run.time, "monotonic", lambda: next(turns) / 3)
    running = Running(24)

    def judge(_: Experiment, trials: Sequence[object], **_brief: object) -> Duel:
        return replace(DUEL, rows=(as_wide_as(0.3 / len(trials) ** 0.5, point),))

    monkeypatch.setattr(run, "judge", judge)
    alone = Experiment(name="alone", title="", arms=(), blocks=8)
    run.settle([alone, DUET], running, lambda _: None, 30.0)  # type: ignore[arg-type]
    assert len(running.trials) == storms
    assert running.asked == ({} if storms == 24 else {DUET.name: storms})
