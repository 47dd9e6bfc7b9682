# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Boot every kernel as often as the plan says; a lost guest costs its kernel's row, not the run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bench.errors import MachineUnfit
from bench.guests import reproducible
from bench.guests.reproducible import Boot, Request, Settings
from bench.guests.sources import Image
from bench.host import ownership
from bench.questions.exact import plan, report
from bench.questions.exact.judge import Seen, judge
from bench.questions.exact.study import FORMAT, KernelCount, Study
from bench.questions.kernels.run import Say, folder_name


def count(
    images: Sequence[Image | KernelCount],
    folder: Path,
    *,
    jobs: int,
    time_limit_s: float,
    append: Sequence[str],
    say: Say,
) -> Study:
    """Return what was counted on each image; in place of one that could not be had is its row.

    ``folder`` keeps what the guests wrote, in a folder for each boot. MachineUnfit without QEMU.
    """
    qemu = reproducible.version()
    disk = plan.ram_disk()
    initrd = folder / "initrd"
    initrd.write_bytes(disk)
    settings = Settings(initrd=initrd, time_limit_s=time_limit_s, append=tuple(append))
    lost = dict(_unusable(images))
    usable = [each for each in images if isinstance(each, Image) and each.label not in lost]
    seen: dict[str, list[Seen | None]] = {each.label: [None] * len(plan.BOOTS) for each in usable}
    requests = _requests(usable, folder, seen)
    with closing(reproducible.boots(requests, settings, jobs)) as boots:
        for request, boot in boots:
            found = _seen(boot, time_limit_s)
            turn = int(request.folder.name)
            seen[request.image.label][turn - 1] = found
            ended = found.problem or f"{boot.ended.seconds:.0f} s"
            say(f"{request.image.label}, boot {turn} with seed {request.seed}: {ended}")
    return Study(
        format=FORMAT,
        qemu=qemu,
        options=reproducible.OPTIONS,
        parameters=(*reproducible.PARAMETERS, *append),
        program_sha256=hashlib.sha256(disk).hexdigest(),
        kernels=tuple(
            each
            if isinstance(each, KernelCount)
            else lost.get(each.label) or _judged(each, seen[each.label])
            for each in images
        ),
    )


def _unusable(images: Sequence[Image | KernelCount]) -> Iterator[tuple[str, KernelCount]]:
    for image in images:
        if isinstance(image, Image):
            try:
                reproducible.check(image)
            except MachineUnfit as error:
                yield image.label, missing(image.label, str(error), image.origin)


def missing(label: str, reason: str, origin: str = "") -> KernelCount:
    """Return the row of a kernel that cannot be booted."""
    return KernelCount(label=label, release="", origin=origin, reason=reason)


def _requests(
    images: Sequence[Image], folder: Path, seen: Mapping[str, Sequence[Seen | None]]
) -> Iterator[Request]:
    """Yield each boot, none of a kernel of which one was lost: what hung once hangs for ever."""
    for turn, seed in enumerate(plan.BOOTS, 1):
        for image in images:
            if not any(each and each.problem for each in seen[image.label]):
                place = folder / folder_name(image.label) / str(turn)
                ownership.make_folder(place)
                yield Request(image=image, seed=seed, folder=place)


def _seen(boot: Boot, time_limit_s: float) -> Seen:
    try:
        read = report.parse(boot.report)
    except ValueError as error:
        ended = boot.report.endswith(b"end\n")  # then what it says is wrong, not its end
        why = str(error) if ended else reproducible.problem(boot, time_limit_s)
        return Seen(console=boot.console, report=boot.report, read=None, problem=why)
    return Seen(console=boot.console, report=boot.report, read=read)


def _judged(image: Image, seen: Sequence[Seen | None]) -> KernelCount:
    had = [each for each in seen if each is not None]
    return judge(image.label, image.release, image.origin, had)
