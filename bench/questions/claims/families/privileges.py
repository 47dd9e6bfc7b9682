# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about the privileges that a transport needs."""

from __future__ import annotations

from typing import Final

from bench.questions.claims import rules
from bench.questions.claims.claim import Finding, Measured, Side, Verdict
from bench.questions.claims.evidence import Evidence
from bench.questions.transports.profiles import PERFBUF, RINGBUF


def _takes_more(evidence: Evidence) -> Finding:
    """Compare the smallest sets of capabilities that were found by trying."""
    found = evidence.capabilities
    if not found:
        return Finding(Verdict.NOT_MEASURED, "capabilities were not tried")
    ring, perf = found.get(RINGBUF), found.get(PERFBUF)
    sets = {"rb": ring, "pb": perf}
    if ring is None or perf is None:
        without = " and ".join(words for words, each in sets.items() if each is None)
        return Finding(rules.INCONCLUSIVE, f"no set that can be tried here is enough for {without}")
    more, less = sorted({*perf} - {*ring}), sorted({*ring} - {*perf})
    said = rules.first(
        (more and not less, rules.REPRODUCED, f"pb takes {', '.join(more)} besides"),
        (more, rules.INCONCLUSIVE, f"pb takes {', '.join(more)}, rb {', '.join(less)}"),
        (True, rules.REFUTED, "pb takes nothing besides"),
    )
    what = "capabilities that pb takes and rb does not"
    measured = Measured.exactly(what, len(more), bound=0)
    details = tuple(
        f"{words}: {', '.join(each or ()) or 'nothing'}" for words, each in sets.items()
    )
    return Finding(*said, measured=measured, details=details)


CLAIMS: Final = (
    Side.RING.counted(
        id="pb-needs-more-privilege",
        statement="reading perf buffers takes more privileges than reading a ring",
        sources="netobserv/netobserv-ebpf-agent#594",
        published="has to run privileged",
        test="the fewest capabilities with which a tracer loads, attaches and opens its buffers "
        "(512 KiB for each CPU), found by trying as `doctor --least-privilege` does",
        reproduced_when="pb takes a capability that rb does not",
        experiments=("system-calls",),
        rule=_takes_more,
        on_capabilities=True,
    ),
)
