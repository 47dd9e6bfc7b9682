# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the matrix profile on kernels in guests that are reproducible to the byte.

A guest is a function of its seed. So each seed is one sample, a block of every experiment, and
intervals are over seeds. The first seed is booted twice, and must leave the same journal. Only the
second measures memory and torn records, which takes its guest twice as long: with two guests at a
time, both CPUs are then busy to the end.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

from bench.amounts import counted, duration
from bench.errors import MachineUnfit, Say
from bench.guests import machines, messenger, reproducible, sealed
from bench.guests.boot import ORDER, Guest
from bench.guests.reproducible import Boot
from bench.guests.sources import Image
from bench.guests.watch import End
from bench.host import ownership, scratch
from bench.journal.files import write_whole
from bench.linux.machine import COUNTED_VARIABLE
from bench.questions.kernels import outcome
from bench.questions.kernels.outcome import JOURNAL, RESULT, Outcome, Ran, Reproduced, Status
from bench.questions.kernels.run import empty, record, write_requested
from bench.questions.kernels.sample import ONCE
from bench.report.document import pick
from bench.tracer import libbpf, loader
from bench.tracer.loader import Loader

IMPORTED: Final = (
    *("bench.questions.kernels.sample", "bench.guests.messenger"),
    *("email.parser", "importlib.metadata", "numpy.ma"),  # late, within functions
)
"""All modules that the guest imports: it would take seconds to compile them itself."""

COMPILER: Final = ("bcc.libbcc", "bench.tracer.compiler")
"""The modules that compile tracers, if there are no prebuilt ones."""

_FIRST_BOOTS: Final = 2
"""How often the first seed is booted, in parallel, before other seeds begin."""

_ONCE: Final = 2
"""Number of the sample for what is examined only once, if there are that many."""

_LOST: Final = {End.TIMED_OUT: Status.HUNG, End.EXITED: Status.FAILED}
_MAIN: Final = """\
import runpy
runpy.run_module("bench.questions.kernels.sample", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Describe what to run, and where the results go."""

    folder: Path
    guest: Guest  # its time limit is by this machine's clock
    jobs: int
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Hold the result of one guest."""

    seed: int
    ran: Ran
    files: Mapping[str, bytes]  # sent by the guest
    cpu_s: float

    @property
    def whole(self) -> bool:
        """Return whether the guest left everything it should."""
        return self.ran.status is Status.DONE

    @property
    def journal(self) -> bytes:
        """Return its journal, empty if it left none."""
        return self.files.get(JOURNAL, b"")


def write_request(request: Request, labels: Sequence[str], command_line: Sequence[str]) -> None:
    """Write run.json: the request."""
    guest = asdict(request.guest)
    del guest["kvm"]
    asked = {**guest, "folder": str(request.folder), "jobs": request.jobs, "seeds": request.seeds}
    write_requested(request.folder, labels, {"command_line": command_line, "reproducible": asked})


def run(request: Request, images: Sequence[Image], say: Say) -> list[Outcome]:
    """Run every image, one after another, several seeds at a time.

    A lost guest costs its seed. If it is the first, it costs the kernel's row: the others would end
    the same way. MachineUnfit without QEMU or a loader of tracers.
    """
    qemu = reproducible.version(machines.usual())
    if loader.of_emulated() is Loader.BCC:
        loader.bcc_version()  # guests have this machine's
    found = []
    for image in images:
        folder = empty(request.folder, image.label)
        write_whole(folder / ORDER, json.dumps({"seeds": request.seeds}).encode())
        began = time.monotonic()
        guests = counted(len(request.seeds) + 1, "guest")
        say(f"{image.label}: {image.origin}; instructions counted, {guests}, {request.jobs} at a "
            "time")  # fmt: skip
        try:
            ended = _concluded(image, folder, _samples(request, image, folder, say), qemu)
        except MachineUnfit as error:
            ended = outcome.row(image, Ran(status=Status.UNAVAILABLE, reason=str(error)))
        ended = replace(ended, seconds=round(time.monotonic() - began, 1))
        found.append(record(folder, ended, say))
        ownership.hand_over_all(folder)
    return found


def _samples(request: Request, image: Image, folder: Path, say: Say) -> list[Sample]:
    """Boot the first seed twice, then all others; no others if the first is lost.

    MachineUnfit for a file that is not a kernel, or a kernel of another architecture.
    """
    if (machine := machines.machine_of(image.label, image.vmlinuz)) != machines.usual():
        raise MachineUnfit(
            f"{image.vmlinuz} is for {machine.architecture}, but a guest has this machine's files",
            remedy="count calls on it, with kernels exact",
        )
    waiting = [(seed, number, f"seed-{seed}") for number, seed in enumerate(request.seeds, 1)]
    waiting.insert(1, (request.seeds[0], 1, f"seed-{request.seeds[0]}-again"))
    names = [name for *_, name in waiting]
    found: dict[str, Sample] = {}

    def following() -> reproducible.BootRequest | None:
        first = found.get(names[0])
        begun = len(names) - len(waiting)
        if not waiting or (not first.whole if first else begun == _FIRST_BOOTS):
            return None
        seed, number, name = waiting.pop(0)
        once = (ONCE,) if number == min(_ONCE, len(request.seeds)) else ()
        ownership.make_folder(folder / name)
        return reproducible.BootRequest(
            image=image,
            machine=machine,
            initrd=initrd,
            seed=seed,
            folder=folder / name,
            append=(*guest.append, messenger.given(seed, number, *once)),
        )

    guest = request.guest
    machine = replace(machine, cpus=guest.cpus, memory_mib=guest.memory_mib)
    limit_s = guest.time_limit_s
    with scratch.folder() as private:
        initrd = private / "initrd"
        write_disk(initrd, image)
        with closing(reproducible.boots(following, limit_s, request.jobs)) as booted:
            for asked, boot in booted:
                sample = found[asked.folder.name] = judged(asked.seed, boot, limit_s)
                how = sample.ran.reason or counted(sample.ran.trials, "trial")
                say(f"{image.label}, {asked.folder.name}: {how}, {duration(boot.ended.seconds)}")
    return [found[name] for name in names if name in found]


def write_disk(to: Path, image: Image) -> None:
    """Write the initial RAM disk of a kernel: all that a trial needs, and its configuration."""
    loads = loader.of_emulated()
    compiled = COMPILER if loads is Loader.BCC else ()
    needed = sealed.closure((*IMPORTED, *compiled), (libbpf.name(),))
    configuration = image.modules / "config" if image.modules is not None else None
    more = {}
    if configuration is not None and configuration.exists():
        more[f"/boot/config-{image.release}"] = configuration.read_bytes()
    command = needed.command(_MAIN, messenger.FOLDER)
    environment = {COUNTED_VARIABLE: "1", loader.VARIABLE: loads}
    sealed.write(to, needed, command, more, **environment)


def judged(seed: int, boot: Boot, time_limit_s: float) -> Sample:
    """Return a guest's result, or why it is incomplete."""
    files: Mapping[str, bytes] = {}
    try:
        files = messenger.unpack(boot.report)
        ran: Ran = outcome.whole(files.get(RESULT, b""), files.get(JOURNAL, b""))
    except ValueError as error:
        sent = boot.report and boot.ended.end is End.EXITED
        reason = str(error) if sent else reproducible.problem(boot, time_limit_s)
        status = Status.TORN if sent else _LOST.get(boot.ended.end, Status.KILLED)
        if status is Status.FAILED and reason.startswith("Kernel panic"):
            status = Status.PANICKED
        ran = Ran(status=status, reason=reason.removeprefix(f"{status}: "))
    return Sample(seed=seed, ran=ran, files=files, cpu_s=boot.ended.cpu_s)


def _concluded(image: Image, folder: Path, samples: Sequence[Sample], qemu: str) -> Outcome:
    """Write the journal of all seeds, and return the outcome."""
    first, *rest = samples
    if not first.whole:
        reason = f"{first.ran.reason} (seed {first.seed}; this would happen every time)"
        return outcome.row(image, pick(Ran, first.ran, reason=reason))
    again, *others = rest
    whole = [each for each in (first, *others) if each.whole]
    lost = {f"seed {e.seed}: {e.ran.reason}": e.ran.status for e in others if not e.whole}
    journal = b"".join(each.journal for each in whole)
    (folder / JOURNAL).write_bytes(journal)
    differs = difference(first, again)
    ran = Ran(
        status=Status.NOT_REPRODUCIBLE if differs else next(iter(lost.values()), Status.DONE),
        reason=differs or "; ".join(lost),
        release=first.ran.release,
        trials=sum(each.ran.trials for each in whole),
        complaints=tuple(dict.fromkeys(line for each in whole for line in each.ran.complaints)),
        left_out=tuple(f"the sample of {each}" for each in lost),
    )
    reproduced = Reproduced(
        qemu=qemu,
        seeds=tuple(each.seed for each in whole),
        journal_sha256=hashlib.sha256(journal).hexdigest(),
        identical=not differs,
    )
    cpu_s = round(sum(each.cpu_s for each in samples), 1)
    return outcome.row(image, ran, reproduced=reproduced, cpu_s=cpu_s)


def difference(first: Sample, again: Sample) -> str:
    """Return where two guests of one seed differ; "" if they do not."""
    if not again.whole:
        return f"seed {first.seed} booted again: {again.ran.reason}"
    if first.files == again.files:
        return ""
    lines = zip_longest(first.journal.splitlines(), again.journal.splitlines(), fillvalue=b"")
    for number, (one, other) in enumerate(lines, 1):
        if one != other:
            where = f"line {number} of its journal ({_named(one) or _named(other)})"
            return f"seed {first.seed} booted again differs in {where}"
    return f"seed {first.seed} booted again wrote another result"


def _named(line: bytes) -> str:
    """Describe a line: its kind, and its trial."""
    with suppress(ValueError, TypeError):
        fields = json.loads(line)
        known = (key for key in ("kind", "experiment", "arm") if key in fields)
        return ", ".join(f"{key} {fields[key]}" for key in known)
    return ""
