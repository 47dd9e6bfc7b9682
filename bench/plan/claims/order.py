# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only


from __future__ import annotations



def _intervals(on: Setting) -> Experiment:
    """Pairs on alternating CPUs, drained every 1, 5 and 20 ms."""
    storm = replace(storms(on.cpus)[Shape.PINGPONG], count=LEAST_PAIRED)
    return experiment(
        "drain-interval",
        "How late does the longer of two drain intervals make related events?",
        (
            on.arm(
                transport,
                MIB,
                f"{interval_ms}ms",
                TrialConfig(
                    transport="",
                    budget_bytes=0,
                    storm=storm,
                    consumer=Consumer(poll=Poll.TIMED, interval_ms=interval_ms),
                ),
            )
            for interval_ms in (1, 5, 20)
            for transport in TRANSPORTS
        ),
        twin=None,
    )
