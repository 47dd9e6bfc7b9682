# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The claim about kernel versions: judged over the journals of a matrix."""

from __future__ import annotations

import re
from typing import Final

from bench.judge.metrics import Unit
from bench.questions.claims.claim import for_ring
from bench.questions.claims.evidence import Evidence, NotApplicable
from bench.questions.claims.finding import Finding, Measured, Verdict

_FIRST: Final = (5, 8)
_NEAR: Final = (5, 19)
"""A matrix whose oldest kernel is newer says nothing about when the ring buffer came."""


def _version(release: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _since(evidence: Evidence) -> Finding:
    kernels = evidence.kernels
    if len({kernel.release for kernel in kernels}) < 2:
        raise NotApplicable("one kernel only: needs the journals of a kernel matrix")
    wrong = [
        kernel.release
        for kernel in kernels
        if (kernel.ring_trials > 0) != (_version(kernel.release) >= _FIRST)
    ]
    ran = [kernel for kernel in kernels if kernel.ring_trials]
    measured = Measured(
        what=f"ring buffer ran on {', '.join(kernel.release for kernel in ran) or 'none'}",
        unit=Unit.COUNT,
        point=len(ran),
        low=len(ran),
        high=len(ran),
        bound=len(kernels),
    )
    oldest = min(_version(kernel.release) for kernel in kernels)
    if wrong:
        verdict, reason = Verdict.REFUTED, f"otherwise on {', '.join(wrong)}"
    elif oldest > _NEAR:
        verdict = Verdict.INCONCLUSIVE
        reason = f"the oldest kernel is {oldest[0]}.{oldest[1]}: take one of 5.x into the matrix"
    else:
        verdict, reason = Verdict.REPRODUCED, f"on all of {len(kernels)} kernels as published"
    return Finding(
        verdict=verdict, reason=reason, measured=measured, blocks=len(kernels), further_blocks=1
    )


CLAIMS: Final = (
    for_ring(
        id="rb-since-5.8",
        statement="available from Linux 5.8",
        sources="TUT",
        test="kernel matrix",
        reproduced_when="loads from 5.8 on; below, a clear refusal; not applicable outside a "
        "kernel matrix",
        experiments=(),
        rule=_since,
        comparative=False,
    ),
)
