# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge the claim that the ring buffer is nearly always the better default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from math import floor, inf
from operator import neg
from typing import Final

from bench.amounts import bound, counted, given
from bench.judge.floor import LEAST_MARGIN
from bench.judge.statistics import FEWEST_BLOCKS, Scale, holm, partial_conjunction_p
from bench.questions.claims import contrast as contrasts
from bench.questions.claims.claim import Finding, Side, Verdict
from bench.questions.claims.contrast import ABOUT_EQUAL, NEARLY_NONE, SURE, Contrast, bases
from bench.questions.claims.evidence import Evidence, NotMeasured, series
from bench.questions.claims.families.memory import LADDERS, less_memory
from bench.questions.claims.quantities import dropped_share, lossless_p50_ns, violation_share
from bench.questions.claims.rules import INCONCLUSIVE, REFUTED, REPRODUCED, first, share
from bench.report.units import budget as spaced

_DEFAULTS: Final = ("storm", "burst", "chain", "hotcpu", "stall", "rate-default")
_DUETS: Final = ("storm-duet", "trickle-duet")
_NEARLY_ALWAYS: Final = 0.9
_LIMITS: Final = {Scale.DIFFERENCE: NEARLY_NONE, Scale.RATIO: ABOUT_EQUAL}
"""By how much the ring may be worse and still count as not worse: for shares, and for ratios."""


def _numbers(evidence: Evidence) -> Iterator[tuple[str, Contrast, Contrast | None]]:
    """Yield a name, the perf buffers' excess and, for a share, the ring's own.

    These are drops and disorder of every experiment, the latency of the duets (in journals without
    them, of every experiment), and the budgets that lose nothing.
    """
    duets = [name for name in _DUETS if evidence.samples(name).arms]
    names = _DEFAULTS if duets else (*_DEFAULTS, "trickle")
    shares = [
        (what, take, contrasts.share_margin(evidence, take, *names))
        for what, take in (("drops", dropped_share), ("disorder", violation_share))
    ]
    noise = LEAST_MARGIN if duets else contrasts.ratio_margin(evidence, lossless_p50_ns, *names)
    latency = [("p50", lossless_p50_ns, noise)]
    asked = dict.fromkeys(names, shares if duets else [*shares, *latency])
    for name, numbers in (asked | dict.fromkeys(duets, latency)).items():
        if not evidence.samples(name).arms:
            raise NotMeasured(name)
        for budget, *arms in evidence.pairs(name):
            where = f"{name} at {spaced(budget)}"
            for what, take, margin in numbers:
                words = f"{where}, {what}, pb against rb"
                with suppress(NotMeasured):  # no causal pairs, or not a trial without a loss
                    ring, perf = (series(name, arm, take) for arm in arms)
                    if take is lossless_p50_ns:
                        yield where, contrasts.ratio(words, perf, ring, margin=margin), None
                    else:
                        own = contrasts.difference(f"{where}, {what}, rb", ring)
                        yield where, contrasts.difference(words, perf, ring, margin=margin), own
    for name in LADDERS:
        words = f"{name}, least lossless budget, pb against rb"
        yield name, less_memory(words, name)(evidence), None


def _not_worse(contrast: Contrast, own: Contrast | None) -> tuple[Verdict, float]:
    """Return whether the ring is shown to be worse by less than its margin, and the p of that.

    A difference of shares is at most the ring's own, so it suffices to show that that is small,
    whatever the perf buffers' is. The surer of the two tests counts, at twice its p.
    """
    less = replace(contrast, values=tuple(map(neg, contrast.values)))
    looks = [each.between(-inf, _LIMITS[contrast.scale]) for each in (less, own) if each]
    shown = [p for verdict, p in looks if verdict is REPRODUCED]
    return (REPRODUCED, min(1.0, len(looks) * min(shown))) if shown else looks[0]


def _default_choice(evidence: Evidence) -> Finding:
    """Judge it better somewhere, and shown to be not worse in at least nine experiments of ten.

    Not worse is a test of non-inferiority with a separate margin, ``_LIMITS``: with much noise, an
    experiment is neither found to be worse nor shown not to be. And since two equal transports are
    not worse either, the better one must be better at something, beyond the noise.
    """
    found = list(_numbers(evidence))
    # Latency, for example, needs lossless trials, and may have few blocks where drops have all.
    numbers = [each for each in found if each[1].blocks >= FEWEST_BLOCKS]
    better_p = holm([contrast.p[0] for _, contrast, _ in numbers])
    judged: dict[str, list[tuple[Contrast, Verdict, float]]] = {where: [] for where, *_ in found}
    better = {}
    for (where, contrast, own), p in zip(numbers, better_p, strict=True):
        judged[where].append((contrast, *_not_worse(contrast, own)))
        if p < SURE and contrast.lies > 0:
            better[where] = p
    lost, kept = {}, {}
    for where, each in judged.items():
        # One worse number suffices, and each had the chance to be it.
        worse = [p for _, verdict, p in each if verdict is REFUTED]
        if worse:
            lost[where] = min(1.0, min(worse) * len(each))
        # All numbers of an experiment must hold: it is as uncertain as the least certain of them.
        elif each and all(verdict is REPRODUCED for _, verdict, _ in each):
            kept[where] = max(p for _, _, p in each)
    unknown = sorted(where for where, each in judged.items() if not each)
    others = [where for where in judged if where not in kept]
    allowed = floor((1 - _NEARLY_ALWAYS) * len(judged) + 1e-9)
    least = len(judged) - allowed
    undecided = ", ".join(where for where in others if where not in lost)
    exceptions = f"except in {', '.join(others)}" if others else "without an exception"
    verdict, reason = first(
        (unknown, INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks in {', '.join(unknown)}"),
        (len(lost) > allowed, REFUTED, f"worse in {', '.join(lost)}"),
        (len(kept) < least, INCONCLUSIVE, f"neither worse nor shown not to be in {undecided}"),
        (better, REPRODUCED, exceptions),
        (True, INCONCLUSIVE, "nowhere shown to be better"),
    )
    p = 1.0
    if verdict is REFUTED:
        p = partial_conjunction_p([lost.get(where, 1.0) for where in judged], allowed + 1)
    elif verdict is REPRODUCED:
        not_worse = partial_conjunction_p([kept.get(where, 1.0) for where in judged], least)
        p = max(min(better.values()), not_worse)
    blocks = min(contrast.blocks for _, contrast, _ in (found if unknown else numbers))
    return Finding(
        verdict,
        f"{reason} (margins: {bound(NEARLY_NONE)} of records or pairs, "
        f"{given(ABOUT_EQUAL, 'times')} for latency and memory)",
        measured=share(
            f"shown not worse in {len(kept)} of {counted(len(judged), 'comparison')}, "
            f"worse in {len(lost)}, better in {len(better)}",
            len(kept),
            len(judged),
            bound=_NEARLY_ALWAYS,
        ),
        blocks=blocks,
        p=p,
        further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS),
        details=tuple(str(contrast) for where in others for contrast, *_ in judged[where]),
        rests_on=bases(contrast for _, contrast, _ in numbers),
    )


CLAIMS: Final = (
    Side.RING.timed(
        id="rb-default-choice",
        statement="nearly always the better default",
        sources="TUT, BLOG",
        test="all of the above",
        reproduced_when="better somewhere, and in at least 9 of 10 comparisons at default "
        "settings shown to be worse by less than 1 % of records dropped and of pairs out of "
        "order, and by less than 1.25 times in latency and memory; name the exceptions",
        experiments=(*_DEFAULTS, *_DUETS, *LADDERS),
        rule=_default_choice,
        cpus=2,
    ),
)
