# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test a search as a document, in every form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.questions.bisect.condition import Reading
from bench.questions.bisect.document import document
from bench.questions.bisect.run import Bisection, Outcome, Tried
from bench.questions.bisect.search import Verdict
from bench.report import renderers


def tried(kernel: str, place: int, verdict: Verdict, value: int | None, why: str = "") -> Tried:
    readings = tuple(Reading(name=f"ring-output@{size}", value=value) for size in (72, 328))
    return Tried(
        kernel=kernel,
        place=place,
        release="",
        origin="made up",
        verdict=verdict,
        readings=readings if value else (),
        seeds=(1, 2),
        why=why,
    )


PLAN = Bisection(
    test="ring-output:+0",
    good="a",
    bad="<d>",
    candidates=("a", "b", "c", "<d>"),
    different=4,
    most_boots=6,
)
FOUND = replace(
    PLAN,
    outcome=Outcome.RANGE,
    boots=2,
    last_good="a",
    first_bad="<d>",
    suspects=("b", "c", "<d>"),
    tried=(
        tried("a", 1, Verdict.GOOD, 194),
        tried("b", 2, Verdict.UNKNOWN, None, "hung: made up"),
        tried("<d>", 4, Verdict.BAD, 203, "ring-output@72, @328: 203, not at most 194"),
    ),
)


@pytest.mark.parametrize("form", renderers.names())
@pytest.mark.parametrize("study", [PLAN, FOUND])
def test_every_form(form: str, study: Bisection) -> None:
    text = renderers.find(form)(document(study))
    if form in ("html", "markdown", "summary", "text"):
        assert document(study).title.partition("<")[0] in " ".join(text.split())
    if form == "html":
        assert "<d>" not in text


def test_what_is_said() -> None:
    text = renderers.find("markdown")(document(FOUND))
    assert "ring-output:+0 fails first on one of 3 kernels, from b to" in text
    assert "a (ring-output@72, @328: 194)." in text
    assert "6 boots, 2 of them in this run; 3 of 4 kernels tried." in text
    assert "| kernel | 72 bytes | 328 bytes | verdict | boots | why |" in text
    assert "| b | - | - | cannot be judged | 2 | hung: made up |" in text
    assert document(PLAN).title == "4 kernels from a to <d>: at most 6 boots"
    unknown = replace(PLAN, outcome=Outcome.END_UNKNOWN)
    lost = replace(FOUND.tried[1], kernel="a", place=1)
    assert document(replace(unknown, tried=(lost,))).title == "a cannot be judged: hung: made up"
