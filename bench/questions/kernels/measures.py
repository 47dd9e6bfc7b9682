# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Numbers to follow and checks of every kernel, by its label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.questions.claims.document import check
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.outcome import Status
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports import measures as of_run
from bench.report.document import Check, Measure, Passing


def measures(matrix: Matrix) -> Iterator[Measure]:
    """Yield what was measured on each kernel."""
    for row, result in matrix.measured:
        for each in of_run.measures(result.summary):
            labels = (("kernel", row.label), *each.labels)
            yield replace(each, labels=labels, name=f"{row.label}, {each.name}")


def checks(matrix: Matrix) -> Iterator[Check]:
    """Yield whether each kernel has a whole result, what has to hold on it, and its claims."""
    for row in matrix.rows:
        found = [_whole(row)]
        if row.result is not None:
            found += of_run.checks(row.result.summary)
        yield from (replace(each, name=f"{row.label} {each.name}") for each in found)
    for claimed in matrix.claims:
        if claimed.together is not None:
            yield check(claimed.claim, claimed.together)
        for row, finding in zip(matrix.rows, claimed.findings, strict=True):
            if finding is not None:
                one = check(claimed.claim, finding)
                yield replace(one, name=f"{row.label} {one.name}")


def _whole(row: KernelRow) -> Check:
    if row.status == Status.DONE and row.result is not None:
        outcome = Passing.PASSED
    else:
        outcome = Passing.SKIPPED if row.status == Status.UNAVAILABLE else Passing.FAILED
    text = ": ".join(filter(None, (row.status, row.reason)))
    return Check(name="whole result", outcome=outcome, text=text)
