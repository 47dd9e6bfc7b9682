# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judged claims as Markdown, for the summary of a CI job."""

from __future__ import annotations

from collections.abc import Iterator

from bench.judge.claims.catalogue import Judged, Judgement
from bench.judge.claims.claim import Side
from bench.report.claims_words import SIGNS, based_on, figure, notes, reason, tally
from bench.report.markdown import escape
from bench.report.words import machine_words


def render_claims_markdown(*judged: Judged) -> str:
    """One section for each machine; ends in a newline."""
    return "\n".join(line for each in judged for line in _lines(each)) + "\n"


def _lines(judged: Judged) -> Iterator[str]:
    yield f"## {tally(judged)}"
    yield ""
    for line in notes(judged):
        yield escape(line)
        yield ""
    yield escape(machine_words(judged.machine))
    yield ""
    for side in Side:
        of_side = [each for each in judged.judgements if each.claim.side is side]
        if not of_side:
            continue
        yield f"### {side.value.capitalize()}"
        yield ""
        yield "| claim | statement | verdict | published | measured (95 % interval) | blocks |"
        yield "|---|---|---|---|---|---:|"
        for each in of_side:
            yield _row(each)
        yield ""
        yield "<details><summary>Why, and from which trials</summary>"
        yield ""
        for each in of_side:
            yield from _reasons(each)
        yield ""
        yield "</details>"
        yield ""


def _row(judgement: Judgement) -> str:
    claim, finding = judgement.claim, judgement.finding
    cells = (
        f"`{claim.id}`",
        escape(claim.statement),
        f"{SIGNS[finding.verdict]} {finding.verdict}",
        escape(claim.published),
        escape(figure(finding.measured)),
        str(finding.blocks or ""),
    )
    return f"| {' | '.join(cells)} |"


def _reasons(judgement: Judgement) -> Iterator[str]:
    finding = judgement.finding
    yield f"- `{judgement.claim.id}`, {finding.verdict}: {escape(reason(finding))}"
    if finding.measured is not None:
        yield f"  - {escape(finding.measured.what)}"
    for line in finding.details:
        yield f"  - {escape(line)}"
    if finding.rests_on:
        yield f"  - trials: {escape(based_on(judgement))}"
