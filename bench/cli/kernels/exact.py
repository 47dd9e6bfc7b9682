# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from bench.cli import options
from bench.cli.kernels.available import check_booted, check_sources, provided
from bench.cli.options import of_guest, of_output, of_run, parsed, refuse
from bench.cli.output import answer, say, speaker, writable
from bench.errors import MachineUnfit, Say, reject
from bench.host import ownership, scratch

if TYPE_CHECKING:
    from bench.guests.sources import Image
    from bench.questions.exact.study import KernelCount, Study

_KERNELS = Argument(
    help="6.12, 6.12-arm64, ./bzImage, ci-kernels:6.12, oci:./FOLDER:TAG, a JSON list ...",
    metavar="KERNEL...",
    show_default=False,
)
_JOBS = of_run(
    within=(1, 64), help="Guests at a time; as many as CPUs by default.", show_default=False
)
_LIMIT = of_guest(unit="s", within=(1, 86_400), help="Time limit of each boot, in seconds.")
_GATES = of_output(
    "--fail-on",
    help="Exit 1 where a call takes more instructions than on the first kernel, or in --baseline: "
    "reserve-submit:+0, all:+8; repeatable.",
    metavar="CALL:+N",
)
_BASELINE = of_run(help="JSON of an earlier run, to compare with.", metavar="FILE")
_FROM = of_run("--from", help="Boot nothing; show this JSON of an earlier run.", metavar="FILE")
_KEEP = of_output(help="Keep what the guests wrote in this folder.", metavar="FOLDER")
_OUTPUT = of_output("--output", help="File to write.", metavar="FILE")
_BOOTING = ("jobs", "time_limit", "append", "keep", "sources")


def command(
    context: typer.Context,
    kernels: Annotated[list[str] | None, _KERNELS] = None,
    *,
    jobs: Annotated[int | None, _JOBS] = None,
    time_limit: Annotated[float, _LIMIT] = 120.0,
    append: options.Append = None,
    fail_on: Annotated[list[str] | None, _GATES] = None,
    baseline: Annotated[Path | None, _BASELINE] = None,
    form: options.AsFormat = "text",
    target: Annotated[Path | None, _OUTPUT] = None,
    keep: Annotated[Path | None, _KEEP] = None,
    sources: options.Sources = None,
    earlier: Annotated[Path | None, _FROM] = None,
) -> None:
    """Count the instructions of each call that writes a record, on each kernel.

    Needs neither root nor BPF nor an idle machine: QEMU counts instructions, and all that a guest
    does is determined by its kernel, its parameters and the build of QEMU. Each kernel boots three
    times, with two seeds; a count that differs between boots is reported as not reproducible. A
    count is not time: docs/kernels.md says what it leaves out.

    Example: bufbench kernels exact 5.10 6.1 6.12 7.3

    Example: bufbench kernels exact 6.12-arm64 7.3-arm64

    Example: bufbench kernels exact 6.12 ./bzImage --fail-on reserve-submit:+0

    Example: bufbench kernels exact ci-kernels:6.12 oci:./folder:6.18 '["6.1", "7.3"]'
    """
    from bench.guests import parameters, reproducible
    from bench.guests.lists import expand
    from bench.guests.machines import MEMORY_MIB
    from bench.questions.exact import gate, run, study
    from bench.questions.exact.document import document

    kernels = expand(kernels or [])
    gates = parsed("--fail-on", gate.parse, *fail_on or [])
    reject(baseline and not gates, "--baseline is for gates", "add --fail-on all:+0")
    base = study.read(baseline) if baseline is not None else None
    refuse(context, earlier is not None, "where nothing is booted", *_BOOTING)
    if earlier is not None:
        reject(kernels, "--from boots no kernel", "leave out one of both")
        found = study.read(earlier)
    else:
        appended = parameters.check(append or [])
        reject(
            gates and base is None and len(kernels) < 2,
            "--fail-on compares kernels, and there is one",
            "name the one to compare with first, or give --baseline",
        )
        tell = speaker()
        images = _images(context, kernels, sources, tell)
        with _place(keep) as folder:
            found = run.count(
                images,
                folder,
                jobs=jobs or reproducible.fitting(MEMORY_MIB),
                time_limit_s=time_limit,
                append=appended,
                say=tell,
            )
    answer(form, [document(found)], target=target)
    if not any(each.calls for each in found.kernels):
        first = found.kernels[0]
        raise MachineUnfit(f"no kernel was counted; {first.label}: {first.reason}")
    if base is not None:
        _name_differences(base, found)
    elif gates:
        for each in gate.uncompared(found.kernels):
            say(f"{each.label} is compared with none: no other is for {each.machine or 'its kind'}")
    gate.check(gates, found.kernels, base.kernels if base is not None else ())


def _name_differences(base: Study, found: Study) -> None:
    """Report on stderr what, besides the kernel, may explain a difference."""
    for what, before, now in (
        ("QEMU", base.qemu, found.qemu),
        ("options", base.options, found.options),
        ("kernel parameters", base.parameters, found.parameters),
        ("calls", base.program_sha256, found.program_sha256),
        ("guests of a second architecture", base.others, found.others),
    ):
        if before != now:
            say(f"the baseline has other {what}: counts may differ for that reason too")


def _images(
    context: typer.Context, kernels: Sequence[str], sources: Path | None, tell: Say
) -> list[Image | KernelCount]:
    """Provide an image for each kernel; one that is not available gets a row with the reason."""
    from bench.questions.exact.study import KernelCount

    reject(not kernels, "no kernel is named", "name some: bufbench kernels exact 6.1 6.12")
    check_booted(kernels)
    check_sources(context, kernels)
    lacking = dict(_without_qemu(kernels))  # before anything is fetched
    if len(lacking) == len(kernels):
        raise lacking[kernels[0]]
    found = dict(provided(kernels, sources, tell, lacking))
    rows: list[Image | KernelCount] = []
    for label in kernels:
        image = found[label]
        if isinstance(image, str):
            tell(f"{label}: {image}")
            rows.append(KernelCount(label=label, reason=image))
        else:
            rows.append(image)
    return rows


def _without_qemu(kernels: Sequence[str]) -> Iterator[tuple[str, MachineUnfit]]:
    """Yield the kernels of archives whose architecture has no QEMU here, each with the error."""
    from bench.guests.machines import MACHINES, named, usual
    from bench.guests.sources import source_of

    for label in kernels:
        if source_of(label).fetches:
            try:
                MACHINES.get(named(label), usual()).qemu()
            except MachineUnfit as error:
                yield label, error


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Yield the folder that guests write to, a temporary one unless it is to be kept."""
    if keep is None:
        with scratch.folder() as folder:
            yield folder
        return
    with writable(keep, "--keep"):
        ownership.make_folder(keep)
        held = any(keep.iterdir())
    reject(held, f"{keep} is not empty", "choose another with --keep")
    yield keep.resolve()
