# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print the tables of docs/claims.md: `python -m bench.questions.claims.listing`."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.claims.catalogue import claims
from bench.questions.claims.claim import Claim, Side


def document() -> str:
    """Return the tables of both sides; they end in a newline."""
    return "\n".join(_tables()).rstrip() + "\n"


def _tables() -> Iterator[str]:
    for side in Side:
        yield f"## {side.value[0].upper()}{side.value[1:]}"
        yield ""
        yield "| id | claim | published | test | reproduced when | experiments | comparative |"
        yield "|---|---|---|---|---|---|---|"
        for claim in claims():
            if claim.side is side:
                yield _row(claim)
        yield ""


def _row(claim: Claim) -> str:
    cells = (
        claim.id,
        f"{claim.statement} ({claim.sources})",
        claim.published,
        claim.test,
        claim.reproduced_when,
        ", ".join(claim.experiments) or "a kernel matrix",
        "yes" if claim.comparative else "no",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print(document(), end="")
