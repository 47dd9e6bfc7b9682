# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run kernels, each in its own guest, several at a time; each has a row, whatever happens."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.amounts import counted, duration
from bench.errors import BufbenchError, MachineUnfit, Say, UsageError, clean
from bench.guests import boot, systems
from bench.guests.boot import HERE, Accelerator, Begun, Guest, booted, watched
from bench.guests.sources import Image, Options
from bench.guests.sources.host import HOST
from bench.guests.watch import held
from bench.host import ownership
from bench.journal.files import write_whole
from bench.questions.kernels import outcome
from bench.questions.kernels.guest import PROGRESS
from bench.questions.kernels.outcome import Outcome, Ran, Status
from bench.tracer import loader
from bench.tracer.loader import Loader

LOST_CONSOLE: Final = "console-of-lost-boot.log"
MEASURING_SHARE: Final = 0.5
"""Of the time limit; the rest is for booting, the end and a host that becomes busy.

Of the usual limit it is 300 s: a kernel then takes 6 minutes, or 8 to settle its duets.
"""

_LOOK_S: Final = 0.5
_ELSEWHERE: Final = "choose another with --output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Describe what to run, and where the results go."""

    folder: Path
    command_line: tuple[str, ...]
    accelerator: Accelerator
    guest: Guest
    jobs: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Running:
    """Hold one kernel whose watch is running."""

    image: Image
    folder: Path
    shown: list[str]  # lines of progress
    lost_boot: str  # why it is the second guest of this kernel; "" if it is the first


def folder_name(label: str) -> str:
    """Return the name of a label's folder: "./bzImage" is not a valid one."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", label).strip("._") or "kernel"


def write_request(request: Request, labels: Sequence[str]) -> None:
    """Write run.json: the request and the machine."""
    fields = {name: value for name, value in asdict(request).items() if name != "folder"}
    write_requested(request.folder, labels, fields)


def write_requested(folder: Path, labels: Sequence[str], fields: Mapping[str, object]) -> None:
    """Write run.json: ``fields``, the time, and the kernels with their folders."""
    asked = {
        "schema": 1,
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **fields,
        "kernels": [{"label": label, "folder": folder_name(label)} for label in labels],
    }
    write_whole(folder / outcome.RUN, (json.dumps(asked, indent=1) + "\n").encode())


def check_names(labels: Sequence[str]) -> Mapping[str, str]:
    """Return the labels' folders; raise UsageError if two would share one."""
    names = [folder_name(label) for label in labels]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two kernels would both be {name}", remedy="name each of them once")
    return dict(zip(labels, names, strict=True))


def pending(folder: Path, labels: Sequence[str]) -> list[str]:
    """Return the labels that are unfinished in ``folder``; UsageError if two would share one.

    A kernel whose guests ended the same way twice is not tried a third time.
    """
    known = {label: outcome.read(folder / name) for label, name in check_names(labels).items()}
    return [label for label, found in known.items() if found is None or not found.final]


def check_free(folder: Path, labels: Sequence[str], *, resume: bool) -> None:
    """Raise UsageError if a kernel's folder is foreign or holds results."""
    for label in labels:
        place = folder / folder_name(label)
        if not os.path.lexists(place):
            continue
        if place.is_symlink() or not place.is_dir():
            raise UsageError(f"{place} is not a folder", remedy=_ELSEWHERE)
        there = {each.name for each in place.iterdir()}
        if there and not there & {boot.ORDER, outcome.OUTCOME, boot.CONSOLE}:
            raise UsageError(f"{place} has no run over kernels", remedy=_ELSEWHERE)
        if there and not resume:
            raise UsageError(
                f"{place} has results of an earlier run",
                remedy=f"add --resume, remove it, or {_ELSEWHERE}",
            )


def run(
    request: Request,
    images: Sequence[Image],
    say: Say,
    sources: Path | None = None,
    *,
    measuring: int | None = None,
) -> list[Outcome]:
    """Run every image, ``request.jobs`` at a time; return the outcomes.

    A lost guest is an outcome. An exception ends all guests. ``sources`` is the kernels.toml with
    which the files for guests of another architecture are fetched, ``measuring`` the machine's
    lock, for a run on the host.
    """
    options = Options(say=say, sources_file=sources)
    waiting = [(image, "") for image in images]
    running: list[_Running] = []
    found: list[Outcome] = []

    def following() -> Begun[_Running] | None:
        while waiting:
            image, lost_boot = waiting.pop(0)
            try:
                begun = _begun(request, image, lost_boot, options, measuring)
            except BufbenchError as error:
                lost = outcome.row(image, Ran(status=Status.UNAVAILABLE, reason=str(error)))
                found.append(record(request.folder / folder_name(image.label), lost, say))
            else:
                running.append(begun.what)
                return begun
        return None

    with closing(boot.side_by_side(following, request.jobs, _LOOK_S)) as guests:
        for each in guests:
            for one in running:
                line = clean(held(one.folder / PROGRESS).decode(errors="replace").strip())
                if line and line not in one.shown:
                    one.shown.append(line)
                    say(f"{one.image.label}: {line}")
            if each is None:
                continue
            over, how = each
            running.remove(over)
            ended = outcome.row(
                over.image,
                outcome.judge(over.folder, how, request.guest.time_limit_s),
                seconds=round(how.seconds, 1),
                cpu_s=round(how.cpu_s, 1),
                lost_boot=over.lost_boot,
            )
            if _by_emulation(request, over, ended):
                say(f"{over.image.label}: {ended.reason}; booting it once more")
                waiting.insert(0, (over.image, ended.reason))
            else:
                found.append(record(over.folder, ended, say))
    return found


def _by_emulation(request: Request, over: _Running, found: Outcome) -> bool:
    """Return whether to boot a kernel again, as it panicked before bufbench ran in it.

    QEMU's emulator sometimes lets a CPU run code that another one is patching (seen: "Oops: int3"
    in a static key of 6.17, on a busy machine). A kernel that panics for its own reasons does so
    again.
    """
    early = found.status is Status.PANICKED and not (over.folder / PROGRESS).exists()
    return early and not request.guest.kvm and not over.lost_boot


def _begun(
    request: Request, image: Image, lost_boot: str, options: Options, measuring: int | None
) -> Begun[_Running]:
    folder = request.folder / folder_name(image.label)
    lost_console = held(folder / boot.CONSOLE) if lost_boot else b""
    empty(request.folder, image.label)
    if lost_console:
        (folder / LOST_CONSOLE).write_bytes(lost_console)
    limit_s = request.guest.time_limit_s
    words = [str(request.seed), str(limit_s * MEASURING_SHARE), *request.command_line]
    system = HERE if image.label == HOST else systems.provide(image, options)
    loads = loader.of_emulated()
    if not system.native and loads is Loader.BCC:
        raise MachineUnfit(
            "guests of another architecture have no bcc, and load prebuilt tracers",
            remedy=f"unset {loader.VARIABLE}"
            if loader.objects()
            else "install clang, and then the package, which builds them",
        )
    inside = system.command("bench.questions.kernels.guest", system.inside(folder), *words)
    where = "on this machine" if image.label == HOST else request.accelerator.why
    options.say(f"{image.label}: {image.origin}; {where if system.native else boot.FOREIGN.why}")
    with ExitStack() as stack:
        stack.callback(ownership.hand_over_all, folder)  # once the guest has gone
        if image.label == HOST:
            watch = stack.enter_context(watched(folder, limit_s, inside, measuring=measuring))
        else:
            emulated = not (request.guest.kvm and system.native)
            variables = {loader.VARIABLE: loads} if emulated else {}
            guest = booted(image, request.guest, folder, inside, system=system, **variables)
            watch = stack.enter_context(guest)
        return Begun(_Running(image, folder, [], lost_boot), watch, stack.pop_all())


def empty(folder: Path, label: str) -> Path:
    """Return an empty folder for this kernel; an earlier run's files are removed."""
    place = folder / folder_name(label)
    if place.exists():
        shutil.rmtree(place)
    ownership.make_folder(place)
    return place


def not_fetched(folder: Path, label: str, reason: str, say: Say) -> None:
    """Write the row of a kernel that could not be fetched."""
    lost = Outcome(label=label, status=Status.UNAVAILABLE, reason=reason)
    record(empty(folder, label), lost, say)


def record(folder: Path, found: Outcome, say: Say) -> Outcome:
    """Write the outcome of a kernel, and report it in a line."""
    outcome.write(folder, found)
    words = f"{found.status}: {found.reason}"
    if found.status is Status.DONE:
        words = f"{found.release}, {counted(found.trials, 'trial')} in {duration(found.seconds)}"
        words += f", no time for {', '.join(found.left_out)}" if found.left_out else ""
    say(f"{found.label}: {words}")
    return found


def new_folder(results: Path, kind: str = "kernels") -> Path:
    """Return a run's folder, named after the time."""
    return results / f"{kind}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"


def check_place(folder: Path) -> None:
    """Raise UsageError for a folder that cannot be shared with a guest."""
    if not re.fullmatch(r"[A-Za-z0-9_+ /.-]+", os.fspath(folder.resolve())):
        reason = f"{folder} has characters that cannot be passed to a guest"
        raise UsageError(reason, remedy=_ELSEWHERE)
