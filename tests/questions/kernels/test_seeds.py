# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test kernels in reproducible guests: what is booted, and what becomes of a row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import made_up_qemu
import pytest
from made_up_kernels import run_header
from made_up_trials import trial
from real_kernels import provided

from bench.guests import messenger, reproducible
from bench.guests.boot import Guest
from bench.guests.sources import Image
from bench.guests.watch import End, Ended
from bench.journal.writer import encode
from bench.judge.comparison import Outcome as Verdict
from bench.judge.metrics import Unit
from bench.linux.machine import COUNTED
from bench.questions.claims.claim import Verdict as ClaimVerdict
from bench.questions.kernels import profile, sample, seeds
from bench.questions.kernels.document import document
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import Matrix, compare
from bench.questions.kernels.outcome import JOURNAL, OUTCOME, GuestResult, Outcome, Status
from bench.questions.transports.profiles import TRANSPORTS
from bench.report import renderers

RELEASE = "6.1.9-made-up"
SETTING = profile.Setting(rate_per_s=sample.RATE_PER_S, cpus=2)


def journal(number: int, *, ring_ns: int = 400) -> bytes:
    """Return the journal of sample ``number``."""
    made = run_header(RELEASE)
    machine = replace(made.machine, virtualisation=COUNTED, wakeup_cost_ns=None)
    lines = [encode(replace(made, machine=machine, seed=number))]
    for arm, run_ns in (("ringbuf@64KiB", ring_ns), ("perfbuf@64KiB", 900)):
        made_up = trial(arm, number - 1, experiment="cost", run_ns=run_ns + number % 3)
        lines.append(encode(made_up))
    return b"".join(lines)


def report(content: bytes, status: Status = Status.DONE, reason: str = "") -> bytes:
    """Return what a guest sends."""
    digest = hashlib.sha256(content).hexdigest()
    result = GuestResult(
        status=status,
        reason=reason,
        release=RELEASE,
        trials=2,
        journal_bytes=len(content),
        journal_sha256=digest,
    )
    return messenger.pack(
        {"journal.jsonl": content, "result.json": json.dumps(asdict(result)).encode()}
    )


def kernel(folder: Path, name: str, *reports: bytes, again: bytes = b"") -> Image:
    path = Path(made_up_qemu.image(folder, name, *reports, seeds=max(2, len(reports))))
    if again:
        Path(f"{path}.again").write_bytes(again)
    return Image(label=name, release=RELEASE, vmlinuz=path, modules=None, origin="made up")


def guest(time_limit_s: float) -> Guest:
    return Guest(cpus=2, memory_mib=2048, time_limit_s=time_limit_s, kvm=False)


class Runs:
    """Run kernels with a QEMU that boots nothing."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.folder = place / "run"

    def __call__(
        self, *images: Image, samples: int = 2, time_limit_s: float = 60.0
    ) -> list[Outcome]:
        self.folder.mkdir()
        request = seeds.Request(
            folder=self.folder,
            guest=guest(time_limit_s),
            jobs=2,
            seeds=tuple(range(1, samples + 1)),
        )
        return seeds.run(request, images, lambda _: None)

    def matrix(self) -> Matrix:
        return compare(read_matrix([self.folder]))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("PATH", made_up_qemu.install(tmp_path)["PATH"])
    monkeypatch.setattr(seeds, "write_disk", lambda to, _: to.write_bytes(b"a disk"))
    return Runs(tmp_path)


def test_seeds_are_pooled_and_the_first_is_booted_twice(run: Runs) -> None:
    reports = [report(journal(number)) for number in (1, 2)]
    (found,) = run(kernel(run.place, "good", *reports))
    assert (found.status, found.reason, found.trials) == (Status.DONE, "", 4)
    assert made_up_qemu.booted(run.place) == ["good"] * 3
    whole = journal(1) + journal(2)
    assert (run.folder / "good" / JOURNAL).read_bytes() == whole
    assert found.reproduced is not None
    assert found.reproduced.identical
    assert found.reproduced.seeds == (1, 2)
    assert found.reproduced.journal_sha256 == hashlib.sha256(whole).hexdigest()
    written = json.loads((run.folder / "good" / OUTCOME).read_text())
    assert written["reproduced"]["journal_sha256"] == found.reproduced.journal_sha256
    (row,) = run.matrix().rows
    assert len(row.trials) == 4
    text = renderers.find("markdown")(document(run.matrix()))
    assert "the same bytes when booted again, SHA-256 of 2 seeds" in text
    assert found.reproduced.journal_sha256[:16] in text


@pytest.mark.parametrize(
    ("samples", "given"), [(1, ["1,1,once"] * 2), (3, ["1,1", "1,1", "2,2,once", "3,3"])]
)
def test_one_sample_has_what_is_examined_once(run: Runs, samples: int, given: list[str]) -> None:
    """Not the one that is booted twice, or the pair would take twice as long."""
    run(kernel(run.place, "good", *map(report, map(journal, (1, 2, 3)))), samples=samples)
    words = [line.split()[-1] for line in made_up_qemu.appended(run.place)]
    assert sorted(words) == sorted(f"given={each}" for each in given)


def test_bytes_that_differ_are_named_with_their_line(run: Runs) -> None:
    reports = [report(journal(number)) for number in (1, 2)]
    other = report(journal(1, ring_ns=401))
    (found,) = run(kernel(run.place, "odd", *reports, again=other))
    assert found.status is Status.NOT_REPRODUCIBLE
    assert found.reason == (
        "seed 1 booted again differs in line 2 of its journal "
        "(kind trial, experiment cost, arm ringbuf@64KiB)"
    )
    assert found.reproduced is not None
    assert found.reproduced.identical is False
    (row,) = run.matrix().rows
    assert (row.status, len(row.trials)) == ("not reproducible", 4)
    assert "not reproducible" in renderers.find("markdown")(document(run.matrix()))


def test_a_first_guest_that_is_lost_costs_its_row_alone_and_no_other_seed(run: Runs) -> None:
    nothing = run.place / "nothing"
    nothing.write_bytes(bytes(70_000))
    none = Image(label="none", release="", vmlinuz=nothing, modules=None, origin="")
    lost = [kernel(run.place, name) for name in ("hangs", "panics")]
    good = kernel(run.place, "good", report(journal(1)), report(journal(2)))
    found = {each.label: each for each in run(*lost, none, good, time_limit_s=6.0)}
    assert found["hangs"].status is Status.HUNG
    assert found["hangs"].reason.startswith("not over after 6 s")
    assert found["panics"].status is Status.PANICKED
    assert "Kernel panic - not syncing: made up" in found["panics"].reason
    assert found["none"].status is Status.UNAVAILABLE
    assert "is not a kernel image" in found["none"].reason
    assert found["good"].status is Status.DONE
    assert made_up_qemu.booted(run.place) == [
        *("hangs", "hangs", "panics", "panics", "good", "good", "good")
    ]
    rows = {row.label: row.status for row in run.matrix().rows}
    assert rows == {"hangs": "hung", "panics": "panicked", "none": "unavailable", "good": "done"}


def test_a_later_seed_that_is_lost_costs_its_sample(run: Runs) -> None:
    torn = report(journal(2))[:-9]
    (found,) = run(kernel(run.place, "torn", report(journal(1)), torn))
    assert found.status is Status.TORN
    assert found.reason.startswith("seed 2: ")
    assert (run.folder / "torn" / JOURNAL).read_bytes() == journal(1)
    assert found.reproduced is not None
    assert found.reproduced.seeds == (1,)


def test_what_a_kernel_lacks_is_its_own_word(run: Runs) -> None:
    unfit = report(b"", Status.UNAVAILABLE, "this kernel has no BTF")
    (found,) = run(kernel(run.place, "old", unfit))
    assert found.status is Status.UNAVAILABLE
    assert "this kernel has no BTF" in found.reason
    assert made_up_qemu.booted(run.place) == ["old", "old"]


def test_a_journal_that_is_not_the_one_that_was_written_is_torn() -> None:
    files = messenger.unpack(report(journal(1)))
    sent = messenger.pack({**files, "journal.jsonl": journal(2)})
    boot = reproducible.Boot(ended=Ended(end=End.EXITED, seconds=1.0), report=sent)
    assert seeds.judged(1, boot, 10.0).ran.status is Status.TORN


def test_a_guest_is_a_block_and_intervals_are_over_seeds(run: Runs) -> None:
    """Medians and intervals of 8 values, one a guest, and as many blocks as guests."""
    reports = [report(journal(number)) for number in range(1, 9)]
    run(kernel(run.place, "good", *reports), samples=8)
    matrix = run.matrix()
    ((_, result),) = matrix.measured
    (compared,) = result.summary.comparisons
    row = compared.row("kernel_ns_per_run")
    assert row is not None
    assert row.estimate is not None
    assert row.estimate.blocks == 8
    assert row.outcome is Verdict.LESS
    (curve,) = [each for each in matrix.curves if each.key.startswith("kernel_ns_per_run")]
    assert (curve.unit, curve.times_within_one_guest) == (Unit.INSTRUCTIONS, False)
    ring, perf = (curve.at("good", series) for series in TRANSPORTS)
    assert ring is not None
    assert perf is not None
    # Of 400 and the number modulo 3: 401, 402, 400, 401, 402, 400, 401, 402.
    assert (ring.value, ring.blocks) == (pytest.approx(401), 8)
    assert (ring.low, ring.high) == (pytest.approx(400), pytest.approx(402))
    assert perf.value == pytest.approx(901)


def test_ratios_of_times_have_no_point_of_instructions(run: Runs) -> None:
    run(kernel(run.place, "good", *(report(journal(number)) for number in (1, 2))))
    matrix = run.matrix()
    assert {each.unit for each in matrix.curves if each.question == "write"} == {Unit.INSTRUCTIONS}
    text = renderers.find("markdown")(document(matrix))
    assert "instructions in the kernel, per exit" in text
    assert "times are instructions, not ns" in text


def test_claims_of_times_say_that_they_rest_on_instructions(run: Runs) -> None:
    run(kernel(run.place, "good", *(report(journal(number)) for number in (1, 2))))
    data = document(run.matrix()).data
    timed = {
        each.id
        for each in data.claims
        for finding in each.findings
        if finding is not None and finding.by_instructions
    }
    of_times = {
        each.claim.id for each in run.matrix().claims if each.claim.of_times and any(each.findings)
    }
    assert timed == of_times
    verdicts = {each.claim.id: each.findings for each in run.matrix().claims}
    assert all(each in ClaimVerdict for found in verdicts.values() for each in {
        finding.verdict for finding in found if finding is not None})  # fmt: skip


def test_storms_are_the_same_on_every_kernel_and_small_where_they_take_long() -> None:
    first, again = ([*sample.experiments(SETTING, number)] for number in (1, 3))
    assert [each.arms for each in first] == [each.arms for each in again]
    assert {each.blocks for each in first if not each.duet} == {1}
    assert {each.name for each in again if each.blocks != 3} == {
        *("torn", "storm-duet", "trickle-duet")
    }
    assert {each.blocks for each in again if each.duet} == {12}
    for number, of in ((1, first), (3, again)):  # none is left out, nor any run twice
        duets = [each for each in of if each.duet]
        assert {each.blocks - sample.first_block(each, number) for each in duets} == {4}
    counts = {
        each.name: {arm.config.storm.count for arm in each.arms if arm.config.storm.count}
        for each in first
    }
    assert max(counts["storm-noise"]) < min(counts["storm"]) / 3
    assert max(counts["torn"]) < min(counts["cost"])
    assert max(counts["storm"]) < min(counts["storm-duet"])
    on_one = {
        each.name
        for each in first
        if all((a.config.storm.cpus, a.config.consumer.cpu) == ((0,), 0) for a in each.arms)
    }
    assert on_one == {"cost", "refused"}  # whose sums would have the other CPU's turns in them


@pytest.mark.guests
@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("name", ["5.10", "6.12"])  # 5.10's first CPU waits busily for the second
def test_a_real_kernel_comes_out_the_same(tmp_path: Path, name: str) -> None:
    image = provided(name)
    request = seeds.Request(folder=tmp_path, guest=guest(600.0), jobs=2, seeds=(7,))
    (found,) = seeds.run(request, [image], lambda _: None)
    assert (found.status, found.reason) == (Status.DONE, "")
    assert found.reproduced is not None
    assert found.reproduced.identical
    (row,) = compare(read_matrix([tmp_path])).rows
    assert row.counted
    assert all(each.state == "valid" for each in row.trials)
    assert len(row.trials) == found.trials > 20
