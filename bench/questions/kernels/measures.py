# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List the numbers to follow and the checks of every kernel, by its label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.amounts import counted
from bench.campaign.gates import Gate
from bench.questions.claims.words import check
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


def checks(matrix: Matrix, gates: Sequence[Gate]) -> Iterator[Check]:
    """Yield whether each kernel has a whole result, which gates hold on it, and its claims."""
    for row in matrix.rows:
        found = [_whole(row)]
        if row.result is not None:
            found += of_run.checks(row.result.summary)
        found += (_gated(gate, row) for gate in gates)
        last = {each.name: each for each in found}  # gates asked for replace the usual checks
        yield from (replace(each, name=f"{row.label} {name}") for name, each in last.items())
    for claimed in matrix.claims:
        if claimed.together is not None:
            yield check(claimed.claim, claimed.together)
        for row, finding in zip(matrix.rows, claimed.findings, strict=True):
            if finding is not None:
                one = check(claimed.claim, finding)
                yield replace(one, name=f"{row.label} {one.name}")


def _gated(gate: Gate, row: KernelRow) -> Check:
    failure = gate.failure(row.trials)
    outcome = Passing.FAILED if failure else Passing.PASSED
    text = failure or f"not once in {counted(len(row.trials), 'trial')}"
    return Check(name=str(gate), outcome=outcome, text=text)


def _whole(row: KernelRow) -> Check:
    if row.status == Status.DONE and row.result is not None:
        outcome = Passing.PASSED
    else:
        outcome = Passing.SKIPPED if row.status == Status.UNAVAILABLE else Passing.FAILED
    text = ": ".join(filter(None, (row.status, row.reason)))
    return Check(name="whole result", outcome=outcome, text=text)
