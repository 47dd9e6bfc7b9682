# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read and check expected verdicts, with which claims gate a CI job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.errors import GateFailed, UsageError
from bench.host import toml
from bench.questions.claims.catalogue import Judged, Judgement, chosen
from bench.questions.claims.claim import Verdict

Expectations = Mapping[str, Verdict]
"""The required verdict of each claim, by its id."""


def parse(words: Iterable[str]) -> Expectations:
    """Parse ``rb-order=reproduced`` and the like; UsageError for anything else."""
    found: dict[str, Verdict] = {}
    for word in words:
        name, equals, verdict = word.partition("=")
        if not equals:
            raise UsageError(
                f"{word[:40]!r} expects nothing", remedy="write it like rb-order=reproduced"
            )
        (claim,) = chosen([name.strip()])
        try:
            wanted = Verdict(verdict.strip().replace("-", " "))
        except ValueError as error:
            raise UsageError(
                f"{verdict.strip()[:40]!r} is not a verdict",
                remedy=f"take one of {', '.join(each.replace(' ', '-') for each in Verdict)}",
            ) from error
        if found.setdefault(claim.id, wanted) is not wanted:
            raise UsageError(f"{claim.id} is expected twice, differently", remedy="leave one out")
    return found


def read(path: Path) -> Expectations:
    """Read a TOML file with a line ``rb-order = "reproduced"`` for each claim."""
    values = toml.read(path)
    if not values:
        raise UsageError(f"{path} expects nothing", remedy='write rb-order = "reproduced"')
    return parse(f"{name}={verdict}" for name, verdict in values.items())


def failure(expected: Expectations, judgement: Judgement, *, strict: bool) -> str:
    """Return how a claim's verdict differs from the expected one; "" if it does not."""
    name, verdict = judgement.claim.id, judgement.finding.verdict
    wanted = expected.get(name, verdict)
    if verdict is wanted or (judgement.open and not strict):
        return ""
    return f"{name} is {verdict}, expected {wanted}"


def check(expected: Expectations, judged: Sequence[Judged], *, strict: bool) -> None:
    """Raise GateFailed, naming every claim with another verdict.

    An inconclusive one fails only if ``strict``: it does not show the contrary. One that was not
    measured fails, on any machine or on all: a gate that was never tried has not passed.
    """
    failed = [] if judged else [f"{name} is not measured: no trials" for name in expected]
    judgements = (each for of_machine in judged for each in of_machine.judgements)
    failed += filter(None, (failure(expected, each, strict=strict) for each in judgements))
    if failed:
        raise GateFailed(f"unexpected verdicts: {'; '.join(failed)}")
