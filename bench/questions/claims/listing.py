# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print the tables of docs/claims.md: `python -m bench.questions.claims.listing`."""

from __future__ import annotations

from bench.questions.claims.catalogue import claims
from bench.questions.claims.claim import Claim, Side

_HEADER = """\
| id | claim | published | test | reproduced when | experiments | comparative |
|---|---|---|---|---|---|---|
"""


def document() -> str:
    """Return the tables of both sides; they end in a newline."""
    rows = {side: [_row(each) for each in claims() if each.side is side] for side in Side}
    return "\n".join(f"## {side.heading}\n\n{_HEADER}{''.join(rows[side])}" for side in Side)


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
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    print(document(), end="")
