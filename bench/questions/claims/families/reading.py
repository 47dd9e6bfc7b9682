# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about how a reader takes records out of a buffer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.amounts import size, time
from bench.judge.numbers import number
from bench.plan import mix
from bench.plan.config import Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Of, form, levels, over
from bench.questions.claims.planner import BLOCKS, MOST_DUET_STORMS, Planner, sending
from bench.questions.claims.rules import above
from bench.questions.transports.profiles import AWAY, RINGBUF

_NAMES: Final = {128: "reading-128", 2_400: "reading-2400"}
"""Duets by the bytes of their records: those published."""

_EXITS: Final = {128: 400, 2_400: 100}  # of 100 records
_STORMS: Final = {128: MOST_DUET_STORMS, 2_400: BLOCKS}  # the saving grows with the bytes copied


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return a full ring of records, read whole one by one, or in place by visit.

    Nothing else runs meanwhile: the reader starts when the storm is over.
    """
    found = []
    for record_bytes, name in _NAMES.items():
        quiet = on.amplified(_EXITS[record_bytes], 100, wake=Wake.NONE, consumer=AWAY)
        config = sending(quiet, payload_bytes=mix.payload_bytes(record_bytes))
        ways = {
            "whole": (RINGBUF, replace(config, whole_reader=True)),
            "in-place": (RINGBUF, replace(config, lazy_reader=True)),
        }
        title = "How much does a reader save that copies nothing and publishes once a visit?"
        room_bytes = on.holding(config)
        found.append(on.duet(name, title, ways, room_bytes, storms=_STORMS[record_bytes]))
    return tuple(found)


_WAYS: Final = {
    record_bytes: [Of(number("read_ns"), name, RINGBUF, way) for way in ("whole", "in-place")]
    for record_bytes, name in _NAMES.items()
}


CLAIMS: Final = (
    Side.EITHER.timed(
        id="zero-copy-reads",
        statement="reading records in place, with the position published once a batch, is faster "
        "than copying each and publishing after it",
        sources="cilium/ebpf#1979",
        published="1.18 times as fast at 128 B, 6.4 times at 2.4 KiB",
        test="a full ring, its reader alone; duets by process; reading time of a record of 128 B "
        "and of 2,400 B",
        reproduced_when="ratio > 1 at both lengths",
        experiments=tuple(_NAMES.values()),
        rule=above(
            *(
                over(f"reading a record of {size(record_bytes)}, whole over in place", *parts)
                for record_bytes, parts in _WAYS.items()
            ),
            details=[
                levels(
                    form("{}: {}", time),
                    {f"{size(record_bytes)}, whole": whole, f"{size(record_bytes)}, in place": one},
                    one,
                )
                for record_bytes, (whole, one) in _WAYS.items()
            ],
        ),
        cpus=2,
    ),
)
