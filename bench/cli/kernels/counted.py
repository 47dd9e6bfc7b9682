# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define what bufbench kernels run --reproducible adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer

from bench.errors import UsageError, check_range

if TYPE_CHECKING:
    from bench.questions.kernels.seeds import Request

CPUS: Final = 2
"""With one, no order of two CPUs can be violated."""

_MOST_SEEDS: Final = 1_000


def check(context: typer.Context, kernels: Sequence[str], accelerator: str | None) -> None:
    """Raise UsageError for what reproducible guests cannot do; MachineUnfit without QEMU."""
    from bench.guests import machines
    from bench.guests.sources.host import HOST
    from bench.questions.kernels.run import check_names

    if accelerator == "kvm":
        raise UsageError(
            "--reproducible counts instructions, which KVM cannot",
            remedy="leave out --accelerator kvm",
        )
    if HOST in kernels:
        raise UsageError("host is not booted", remedy="name an image, like /boot/vmlinuz")
    check_names(kernels)
    check_range("--seeds", context.params["seeds"], 1, _MOST_SEEDS)
    check_range("--seed", context.params["seed"], 0, 1 << 62)
    if not context.params["dry_run"]:
        machines.usual().qemu()  # before anything is fetched


def show_plan(kernels: Sequence[str], request: Request, *, as_json: bool) -> None:
    """Print what each kernel's guests run."""
    from bench.cli import dry_run
    from bench.questions.kernels.sample import experiments
    from bench.questions.transports.profiles import TRANSPORTS

    seeds = len(request.seeds)
    turns = -(-(seeds + 1) // request.jobs)
    of_guests = (
        f"On each of {', '.join(kernels)}: a guest, and a block, for each of {seeds} "
        "seeds; the first once more."
    )
    of_this_machine = (
        "The time is the guests' own, in instructions. A guest takes about a minute of this "
        f"machine's, and {request.jobs} run at a time: {turns} minutes a kernel."
    )
    dry_run.show(
        experiments(request.guest.cpus, TRANSPORTS, seeds),
        as_json=as_json,
        times=len(kernels),
        at_most_s=len(kernels) * turns * request.guest.time_limit_s,
        notes=[of_guests, of_this_machine],
    )
