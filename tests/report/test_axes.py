# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test axes of charts: every decade has a label, 0 has a place, nothing is beyond samples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import vl_convert
from reference import summary

from bench.judge.numbers import number
from bench.questions.transports.figures import figures
from bench.questions.transports.figures.panels import compared
from bench.questions.transports.figures.timeline import timeline
from bench.report.document import Figure, Panel
from bench.report.figure import specification, steps

STANDARD = "standard/journal.jsonl.gz"


@cache
def drawn() -> dict[str, Figure]:
    return {figure.key: figure for figure in figures(summary(STANDARD))}


def logarithmic(part: Any) -> Iterator[dict[str, Any]]:
    """Yield what is encoded on a logarithmic axis whose labels are given."""
    if isinstance(part, list):
        for each in part:
            yield from logarithmic(each)
    elif isinstance(part, dict):
        if part.get("scale", {}).get("type") == "log" and "values" in part.get("axis", {}):
            yield part
        else:
            for each in part.values():
                yield from logarithmic(each)


def labels(panel: Panel) -> list[str]:
    svg = vl_convert.vegalite_to_svg(specification(panel))
    groups = re.findall(r'role-axis-label".*?</g>', svg, re.DOTALL)
    texts = [text for group in groups for text in re.findall(r"<text.*?</text>", group, re.DOTALL)]
    shown = [re.sub(r"<[^>]*>", " ", text).strip() for text in texts if 'opacity="0"' not in text]
    return [" ".join(text.split()) for text in shown]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["latency", "lateness", "cost", "wakeups"])
def test_every_decade_of_an_axis_is_labelled(key: str) -> None:
    for panel in drawn()[key].panels:
        (axis, *_) = logarithmic(specification(panel))
        low, high = axis["scale"]["domain"]
        values = axis["axis"]["values"]
        decades = {10.0**each for each in range(-3, 13) if low <= 10.0**each <= high}
        if axis["axis"].get("labelExpr", "").startswith("datum.value < "):  # 0 stands before them
            decades = {each for each in decades if each >= sorted(values)[1]}
        if axis["title"] != "percentile":
            assert decades <= set(values)
        found = labels(panel)
        assert "" not in found
        assert len(found) >= len([value for value in values if low <= value <= high])


def test_few_decades_have_steps_between_them() -> None:
    assert steps(230, 380) == [200, 500]
    assert steps(14, 33) == [10, 20, 50]
    assert steps(100, 100) == [100, 200]
    assert steps(0.3, 9_000) == [0.1, 1, 10, 100, 1_000, 10_000]
    for low, high in ((1, 1), (1.01, 99), (3e-3, 4e8)):
        found = steps(low, high)
        assert found[0] <= low < high * (1 + 1e-9) <= found[-1] * (1 + 1e-9)


@pytest.mark.slow
def test_trials_without_late_events_are_drawn_at_0() -> None:
    inversions = number("inversions")
    panel = drawn()["lateness"].panels[0]
    least = min(row["value"] for row in panel.data["points"])
    at_0 = {
        (row["experiment"], row["transport"])
        for row in panel.data["points"]
        if row["value"] == least
    }
    without = {
        (arm.experiment, arm.transport)
        for arm in compared(summary(STANDARD))
        if any(inversions(trial) == 0 for trial in arm.trials)
    }
    assert at_0 == without != set()
    assert labels(panel)[0] == "0"


@pytest.mark.slow
def test_occupancy_is_drawn_where_it_was_sampled_and_nowhere_else() -> None:
    panels = [each for each in drawn()["timeline"].panels if "occupancy" in each.title]
    assert len(panels) == 2
    for panel in panels:
        spec = specification(panel)
        assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rule", "point"]
        sampled = [
            (at / 1e6, used / 1024)
            for samples in summary(STANDARD).experiments.values()
            for arm in samples.arms.values()
            for trial in arm.trials
            if trial.timeline is not None
            for at, used in zip(trial.timeline.used_at_ns, trial.timeline.used_bytes, strict=True)
        ]
        assert {(row["at"], row["used"]) for row in panel.data["used"]} <= set(sampled)


@pytest.mark.slow
@pytest.mark.parametrize("journal", [STANDARD, "quick/journal.jsonl.gz"])
def test_notes_count_what_is_drawn(journal: str) -> None:
    found = timeline(summary(journal))
    assert found is not None
    panels = [each for each in found.panels if "delivery against kernel time" in each.title]
    for note, panel in zip(found.notes, panels, strict=True):
        assert f"{len(panel.data['events']):,} of " in note
        assert not re.search(r"\b1 gaps", note)


@pytest.mark.slow
def test_one_event_is_singular_and_a_half_is_not_rounded() -> None:
    rows = drawn()["lateness"].panels[0].data
    words = [row["words"] for name in ("points", "medians") for row in rows[name]]
    assert not [each for each in words if ": 1 events" in each]
    assert any(": 1 event out of order" in each for each in words)
    assert any(".5 events out of order" in each for each in words)


@pytest.mark.slow
def test_a_storm_that_two_arms_shared_is_the_cost_of_neither() -> None:
    rows = drawn()["cost"].panels[-1].data["points"]
    assert not [row for row in rows if row["experiment"].endswith("-duet")]
    assert {row["experiment"] for row in rows} >= {"storm", "trickle"}
