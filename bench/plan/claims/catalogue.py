# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only


from __future__ import annotations



def _of_profile(on: Setting) -> tuple[Experiment, ...]:
    """Experiments of the quick profile; how long a storm takes without a tracer is not asked."""
    known = {each.name: each for each in profile("quick", on.cpus, on.page_bytes).experiments}
    return tuple(
        replace(
            known[name],
            arms=tuple(arm for arm in known[name].arms if ArmName.parse(arm.name).budget),
        )
        for name in FROM_PROFILE
    )


def experiments(cpus: int, page_bytes: int) -> tuple[Experiment, ...]:
    """All of them, for a machine with ``cpus`` online; names of experiments and arms are unique."""
    on = Setting(cpus=cpus, page_bytes=page_bytes)
    return (
        *_of_profile(on),
        *_ladders(on),
        *_rates(on),
        *_wakeups(on),
        *_bursts(on),
        *_kernel_costs(on),
        *_two_cpus(on),
        *_reading(on),
    )
