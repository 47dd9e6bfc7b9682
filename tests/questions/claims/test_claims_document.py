# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.questions.claims import run as claims_plan
from bench.questions.claims.catalogue import chosen, claims, listing
from bench.questions.claims.claim import Side

PAGE = Path(__file__).parents[3] / "docs" / "claims.md"


def test_the_page_is_what_the_catalogue_says() -> None:
    head, table, rows = PAGE.read_text(encoding="utf-8").partition("## For the ring buffer\n")
    assert head.startswith("# Claims\n")
    assert table + rows == listing(), "stale: see python -m bench.questions.claims.catalogue"


def test_both_tables_are_there_in_full() -> None:
    of_side = {side: [claim for claim in claims() if claim.side is side] for side in Side}
    assert (len(of_side[Side.RING]), len(of_side[Side.PERF])) == (21, 15)
    assert len({claim.id for claim in claims()}) == 36


def test_what_claims_need_is_planned() -> None:
    """All but the source of NMI, which a machine has or has not."""
    planned = {experiment.name for experiment in claims_plan.experiments(range(4))}
    needed = {name for claim in claims() for name in claim.experiments}
    assert needed - planned <= {"nmi"}


def test_an_unknown_claim_is_refused() -> None:
    with pytest.raises(UsageError, match="rb-ordre"):
        chosen(["rb-order", "rb-ordre"])
