# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims as the page shows them: verdict, figures, blocks as points, lines of the journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.judge.claims.catalogue import Judgement
from bench.judge.claims.claim import Claim
from bench.judge.claims.finding import Basis, Finding
from bench.report.claims_words import SIGNS, figure, reason
from bench.report.page.dots import points
from bench.report.page.material import Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One claim."""

    claim: Claim
    finding: Finding
    verdict: str
    sign: str
    css: str  # class of the verdict's badge
    figure: str
    reason: str
    points: str  # SVG of the blocks; "" where they are not known
    lines: tuple[str, ...]  # "storm ringbuf@64KiB: quick.jsonl, lines 3, 9, 12"


def shown(material: Material) -> tuple[Shown, ...]:
    """All judged claims."""
    if material.judged is None:
        return ()
    return tuple(_shown(each, material) for each in material.judged.judgements)


def _shown(judgement: Judgement, material: Material) -> Shown:
    finding = judgement.finding
    return Shown(
        claim=judgement.claim,
        finding=finding,
        verdict=finding.verdict.value,
        sign=SIGNS[finding.verdict],
        css=finding.verdict.value.replace(" ", "-"),
        figure=figure(finding.measured),
        reason=reason(finding),
        points=points(finding.measured) if finding.measured is not None else "",
        lines=tuple(_lines(finding.rests_on, material)),
    )


def _lines(bases: tuple[Basis, ...], material: Material) -> Iterator[str]:
    for basis in bases:
        samples = material.experiments.get(basis.experiment)
        arm = samples.arms.get(basis.arm) if samples is not None else None
        if arm is None:
            continue
        by_file: dict[str, list[int]] = {}
        for where in basis.trials:
            reading = arm.readings.get(where)
            place = material.place(reading.trial) if reading is not None else None
            if place is not None:
                by_file.setdefault(place.path, []).append(place.line)
        told = "; ".join(
            f"{path}, lines {', '.join(map(str, sorted(numbers)))}"
            for path, numbers in by_file.items()
        )
        yield f"{basis.experiment} {basis.arm}: {told or f'{len(basis.trials)} trials'}"
