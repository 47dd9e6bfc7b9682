# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print docs/claims.md from the catalogue: `python -m bench.questions.claims.listing`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.questions.claims.catalogue import claims
from bench.questions.claims.claim import Claim, Side

_HEAD: Final = """\
# Claims

Written by `python -m bench.questions.claims.listing` from bench/questions/claims/families.

Published statements about the BPF ring buffer (rb) and the perf buffer (pb), with the figures that
were published, how an exit tracer under a storm tests each, and when it counts as reproduced. The
wording is new. "Amplified" means that the tracer sends many records at each exit, for claims about
millions of events a second that a fork storm alone cannot reach. Figures hold for the machine they
were published for: a verdict is about direction and shape, and stands beside the published figure.

Sources: TUT the exitsnoop tutorial this project started from; BLOG nakryiko.com/posts/bpf-ringbuf;
DOC the kernel's Documentation/bpf/ringbuf.rst; BENCH the commit that added the kernel's own ringbuf
benchmark (2020, Xeon E5-2680 v4, 28 cores, 8-byte records, batches of 500, rb 512 KiB, pb 128 pages
per CPU, sampling 500); issue threads as OWNER/REPO#N.

## How a verdict comes about

- Everything is compared within blocks: one trial of each arm, in random order, at least 8 times.
- A **comparative** claim has a margin: 2 %, or the A/A noise floor of the number if that is larger
  (by how much the same configuration differs from itself). It is *reproduced* if the 95 % interval
  lies above the margin, *refuted* if it lies below, else *inconclusive*, with the number of further
  blocks that would likely settle it.
- Besides, a comparative verdict has to survive Holm's correction over all of them. Its p is that
  of a t test with an eighth of the blocks trimmed off at either end: for *reproduced* of not lying
  above the margin, for *refuted* of not lying below 2 %, so that noise alone refutes nothing. A
  transport compared with itself comes out without a verdict.
- A claim that several comparisons make together is reproduced if all of them lie above, and refuted
  if one lies below; "somewhere" is the other way round.
- The other claims are about one transport and stand by themselves.
- **None, equal, not worse**: a test that finds no difference shows none of these. "None" is a count
  of 0 with its upper 95 % bound (Clopper-Pearson). "About the same", "at most" and "not worse" are
  shown if the whole 95 % interval lies within a margin that the claim names, and two one-sided
  tests (TOST) or one (non-inferiority) have p < 0.05. Refuted if the interval lies outside, and
  else inconclusive, however close the values look.
- *Not applicable* names what the machine or the kernel lacks, *not measured* the experiments that
  have no trials.

`bufbench claims` runs the experiments named here, each once, however many claims rest on it.
"""


def document() -> str:
    """Return the whole page; it ends in a newline."""
    return "\n".join([_HEAD, *_tables()]).rstrip() + "\n"


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
