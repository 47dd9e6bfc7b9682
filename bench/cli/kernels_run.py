# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from bench.cli.options import Seed, Sources, refuse
from bench.errors import BufbenchError, UsageError, check_range

if TYPE_CHECKING:
    from bench.guests.boot import Accelerator
    from bench.guests.sources import Image
    from bench.questions.kernels.run import Request, Say

_APPEND = Option(help="Kernel parameter, like preempt=full; repeatable.")
_OUTPUT = Option(help="Folder to write; results/kernels-TIME by default.")
_RESUME = Option("--resume", help="Leave out the kernels that --output is done with.")


def command(
    context: typer.Context,
    kernels: Annotated[list[str], Argument(help="6.12, 6.12-rt, ./bzImage, host ...")],
    *,
    cpus: Annotated[int | None, Option(help="Of each guest; all, up to 4.")] = None,
    memory: Annotated[int | None, Option(help="Of each guest, MiB; 2048 usually.")] = None,
    time_limit: Annotated[float, Option(help="Of each guest, seconds.")] = 600.0,
    jobs: Annotated[int, Option(help="Guests at a time.")] = 1,
    append: Annotated[list[str] | None, _APPEND] = None,
    emulate: Annotated[bool, Option("--emulate", help="Do not try KVM.")] = False,
    seed: Seed = 1,
    output: Annotated[Path | None, _OUTPUT] = None,
    resume: Annotated[bool, _RESUME] = False,
    sources: Sources = None,
) -> None:
    """Measure each kernel in a guest of its own, and report on all of them.

    The guest sees this machine's files read-only and writes only into the results folder. One that
    panics, hangs or is killed costs that kernel's row, never the run.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3
    """
    from dataclasses import replace

    import psutil

    from bench import paths
    from bench.cli import kernels_report
    from bench.guests import boot
    from bench.guests.sources import source_of
    from bench.guests.sources.host import HOST
    from bench.host import lock, ownership
    from bench.questions.kernels import run as kernels_run

    wanted = [source_of(label) for label in kernels]
    if set(kernels) == {HOST}:
        refuse(context, "where no guest is run", "cpus", "memory", "jobs", "append", "emulate")
    if not any(each.fetches for each in wanted):
        refuse(context, "where no kernel is fetched", "sources")
    if resume and output is None:
        raise UsageError("--resume needs the folder to go on with", remedy="add --output FOLDER")
    check_range("--jobs", jobs, 1, 64)
    check_range("--time-limit", time_limit, 10, 86_400)
    folder = output or kernels_run.new_folder(paths.RESULTS)
    kernels_run.check_place(folder)
    available_mib = psutil.virtual_memory().available >> 20
    guest = boot.fitting(cpus=cpus, memory_mib=memory, jobs=jobs, available_mib=available_mib)
    say = kernels_run.speaker(time.monotonic())
    left = kernels_run.pending(folder, kernels)
    kernels_run.check_free(folder, left if resume else kernels, resume=resume)
    images = _images(left if resume else kernels, folder, sources, say)
    ownership.make_folder(folder)
    on_host = [image for image in images if image.label == HOST]
    guests = [image for image in images if image.label != HOST]

    def request(chosen: Accelerator) -> Request:
        made = kernels_run.Request(
            folder=folder,
            guest=replace(
                guest, kvm=chosen.kvm, time_limit_s=time_limit, append=tuple(append or [])
            ),
            accelerator=chosen,
            jobs=jobs,
            seed=seed,
            command_line=tuple(sys.argv),
        )
        kernels_run.write_request(made, kernels)
        return made

    if guests:
        with lock.held(sys.argv):  # the probe boots a guest too
            chosen = boot.EMULATION if emulate else boot.probe(guests[0], guest, folder)
            kernels_run.run(request(chosen), guests, say)
    if on_host:  # it takes the lock itself, and wants the machine for itself
        kernels_run.run(request(boot.EMULATION), on_host, say)
    print(f"results: {folder}", file=sys.stderr)
    kernels_report.both(folder)


def _images(kernels: list[str], folder: Path, sources: Path | None, say: Say) -> list[Image]:
    """Provide an image for each kernel; one that cannot be fetched now has its row."""
    from bench.guests.sources import Options, find
    from bench.questions.kernels import run as kernels_run

    found: list[Image] = []
    options = Options(say=say, sources_file=sources)
    for label, fetch in zip(kernels, find(kernels, options), strict=True):
        try:
            found.append(fetch())
        except UsageError:
            raise
        except BufbenchError as error:
            kernels_run.not_fetched(folder, label, str(error), say)
    return found
