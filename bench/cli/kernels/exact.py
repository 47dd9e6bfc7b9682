# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels exact."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from bench.cli.options import (
    AsFormat,
    AsJsonForm,
    Sources,
    form_of,
    of_guest,
    of_output,
    of_run,
    refuse,
)
from bench.cli.output import answer, read_or_not, say, speaker, writable
from bench.cli.report import refuse_text_file
from bench.cli.values import Time
from bench.errors import BufbenchError, MachineUnfit, UsageError, check_range

if TYPE_CHECKING:
    from bench.guests.sources import Image
    from bench.questions.exact.study import KernelCount, Study
    from bench.questions.kernels.run import Say

_KERNELS = Argument(
    help="6.12, 6.12-arm64, ./bzImage, ci-kernels:6.12, oci:./FOLDER:TAG, a JSON list ...",
    metavar="KERNEL...",
    show_default=False,
)
_JOBS = of_run(help="Guests at a time; as many as CPUs by default.", show_default=False)
_LIMIT = of_guest(click_type=Time("s"), help="Of each boot, in seconds.")
_APPEND = of_guest(help="Kernel parameter, like preempt=full; repeatable.")
_GATES = of_output(
    "--fail-on",
    help="Exit 1 where a call takes more instructions than on the first kernel, or in --baseline: "
    "reserve-submit:+0, all:+8; repeatable.",
    metavar="CALL:+N",
)
_BASELINE = of_run(help="JSON of an earlier one, to compare with.", metavar="FILE")
_FROM = of_run("--from", help="Boot nothing, show this JSON of an earlier one.", metavar="FILE")
_KEEP = of_output(help="Keep what the guests wrote in this folder.", metavar="FOLDER")
_OUTPUT = of_output(help="File to write.", metavar="FILE")


def command(
    context: typer.Context,
    kernels: Annotated[list[str] | None, _KERNELS] = None,
    *,
    jobs: Annotated[int | None, _JOBS] = None,
    time_limit: Annotated[float, _LIMIT] = 120.0,
    append: Annotated[list[str] | None, _APPEND] = None,
    fail_on: Annotated[list[str] | None, _GATES] = None,
    baseline: Annotated[Path | None, _BASELINE] = None,
    form: AsFormat = "text",
    as_json: AsJsonForm = False,
    output: Annotated[Path | None, _OUTPUT] = None,
    keep: Annotated[Path | None, _KEEP] = None,
    sources: Sources = None,
    earlier: Annotated[Path | None, _FROM] = None,
) -> None:
    """Count the instructions of each call that writes a record, on each kernel.

    Needs neither root, BPF nor an idle machine: QEMU counts instructions, and all that a guest
    does follows from its kernel, its parameters and the build of QEMU. Each kernel boots three
    times, with two seeds; what does not come out again is said to be not reproducible. A count is
    not time: docs/kernels.md says what is not in it.

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
    gates = gate.parse(*fail_on or [])
    form = form_of(form, as_json)
    refuse_text_file(form, output)
    if baseline is not None and not gates:
        raise UsageError("--baseline is for gates", remedy="add --fail-on all:+0")
    base = study.read(baseline) if baseline is not None else None
    if earlier is not None:
        names = ("jobs", "time_limit", "append", "keep", "sources")
        refuse(context, "where nothing is booted", *names)
        if kernels:
            raise UsageError("--from boots no kernel", remedy="leave out one of both")
        found = study.read(earlier)
    else:
        check_range("--time-limit", time_limit, 1, 86_400)
        check_range("--jobs", 1 if jobs is None else jobs, 1, 64)
        appended = parameters.check(append or [])
        if gates and base is None and len(kernels) < 2:
            raise UsageError(
                "--fail-on compares kernels, and there is one",
                remedy="name the one to compare with first, or give --baseline",
            )
        tell = speaker(time.monotonic())
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
    with read_or_not():
        answer(form, [document(found)], output=output)
    if not any(each.calls for each in found.kernels):
        first = found.kernels[0]
        raise MachineUnfit(f"no kernel was counted; {first.label}: {first.reason}")
    if base is not None:
        _name_differences(base, found)
    elif gates:
        for each in gate.uncompared(found.kernels):
            say(f"{each.label} is compared with none: no other is of {each.machine or 'its kind'}")
    gate.check(gates, found.kernels, base.kernels if base is not None else ())


def _name_differences(base: Study, found: Study) -> None:
    """Say on stderr what else than a kernel may be the reason of a difference."""
    for what, before, now in (
        ("QEMU", base.qemu, found.qemu),
        ("options", base.options, found.options),
        ("kernel parameters", base.parameters, found.parameters),
        ("calls", base.program_sha256, found.program_sha256),
        ("guests of a second architecture", base.others, found.others),
    ):
        if before != now:
            say(f"the baseline is of other {what}: counts may differ by that, too")


def _images(
    context: typer.Context, kernels: Sequence[str], sources: Path | None, tell: Say
) -> list[Image | KernelCount]:
    """Provide an image for each kernel; one that cannot be fetched now has its row."""
    from bench.guests.sources import Options, each_or_why, source_of
    from bench.guests.sources.host import HOST
    from bench.questions.exact.study import KernelCount
    from bench.questions.kernels.run import check_names

    if not kernels:
        raise UsageError("no kernel is named", remedy="name some: bufbench kernels exact 6.1 6.12")
    if HOST in kernels:
        raise UsageError("host is not booted", remedy="name an image, like /boot/vmlinuz")
    check_names(kernels)
    if not any(source_of(label).fetches for label in kernels):
        refuse(context, "where no kernel is an archive's", "sources")
    lacking = dict(_without_qemu(kernels))  # before anything is fetched
    if len(lacking) == len(kernels):
        raise lacking[kernels[0]]
    options = Options(say=tell, sources_file=sources)
    wanted = [label for label in kernels if label not in lacking]
    found = {**dict(each_or_why(wanted, options)), **lacking}
    rows: list[Image | KernelCount] = []
    for label in kernels:
        image = found[label]
        if isinstance(image, BufbenchError):
            rows.append(KernelCount(label=label, reason=str(image)))
            tell(f"{label}: {image}")
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
    """Give a folder for what guests write: a temporary one, unless it is to be kept."""
    from bench.host import ownership, scratch

    if keep is None:
        with scratch.folder() as folder:
            yield folder
        return
    with writable(keep):
        ownership.make_folder(keep)
        held = any(keep.iterdir())
    if held:
        raise UsageError(f"{keep} is not empty", remedy="choose another with --keep")
    yield keep.resolve()
