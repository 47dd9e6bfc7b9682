# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge the claim about records whose length is known at run time."""

from __future__ import annotations

from typing import Final

from bench.amounts import time
from bench.plan.config import MIXED, Call, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Of, form
from bench.questions.claims.planner import Planner, sending
from bench.questions.claims.quantities import write_ns
from bench.questions.claims.rules import exceeds
from bench.questions.transports.profiles import AWAY, RINGBUF

_NAME: Final = "dynptr-output"
_CALLS: Final = (Call.OUTPUT, Call.DYNPTR)
_MEAN_BYTES: Final = 2_048  # of payload, and some room to spare


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return records of four lengths: reserved through a dynptr, or built apart and copied.

    One an exit: the verifier does not follow two tracers of such records in a loop.
    """
    quiet = on.amplified(8_000, 1, wake=Wake.NONE, consumer=AWAY)
    room_bytes = on.holding(sending(quiet, payload_bytes=_MEAN_BYTES))
    mixed = sending(quiet, payload_bytes=MIXED)
    calls = {call.value: (RINGBUF, sending(mixed, call=call)) for call in reversed(_CALLS)}
    title = "What does a record of a length known at run time cost, reserved or copied?"
    return (on.duet(_NAME, title, calls, room_bytes),)


CLAIMS: Final = (
    Side.RING.timed(
        id="dynptr-no-scratch",
        statement="a reservation through a dynptr, of a length known at run time, saves building "
        "the record in a scratch and copying it",
        sources="elastic/quark#335",
        test="duet by process; kernel ns per record of four lengths, output of a scratch over "
        "dynptr",
        reproduced_when="ns per record lower for dynptr",
        experiments=(_NAME,),
        rule=exceeds(
            "kernel ns a record, output over dynptr",
            form("{}: {} a record", time),
            {str(call): Of(write_ns, _NAME, RINGBUF, call) for call in _CALLS},
        ),
        cpus=2,
    ),
)
