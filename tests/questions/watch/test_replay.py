# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Turn a load that was seen into a storm of the same rate, bursts and records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from bench.errors import JournalError, UsageError
from bench.questions.watch.buffers import Owner
from bench.questions.watch.profile import FORMAT, BufferData, Load, Profile
from bench.questions.watch.replay import MOST_EXITS_PER_S, chosen, read, replay
from workloads import truth
from workloads.generator import Generator
from workloads.storm import Shape, Storm


def load(
    *records: int, bin_s: float = 0.01, lengths: dict[int, int] | None = None, name: str = "a"
) -> Load:
    buffer = BufferData(
        kind="ring",
        map=7,
        name=name,
        owners=(Owner(pid=12, command="tracer"),),
        buffers=1,
        size_bytes=4_096,
        used_bytes=0,
        p99_bytes=0,
        peak_bytes=0,
        bytes_per_s=0.0,
        records_per_s=0.0,
        peak_bytes_per_s=0.0,
        full_in_s=None,
        absence_ms=0.0,
        discarded=0,
        lost_told=0,
        uncounted_bytes=0,
        lengths=lengths or {72: 1},
    )
    return Load(
        buffer=buffer, bin_s=bin_s, bytes=tuple(80 * each for each in records), records=records
    )


def profile(*loads: Load) -> Profile:
    return Profile(format=FORMAT, release="6.18", cpus=2, loads=loads)


def test_few_records_are_an_exit_each() -> None:
    found = replay(load(3, 0, 20, 5), workers=2, most_s=10)
    assert found.storm.schedule == (3, 0, 20, 5)
    assert (found.storm.count, found.storm.bin_ms) == (28, 10.0)
    assert (found.records_per_exit, {*found.turns}) == (1, {0})


def test_many_records_are_fewer_exits_and_none_is_left_out() -> None:
    records = (1_000, 10, 0, 2_995, 17, 3)
    found = replay(load(*records), workers=2, most_s=10)
    assert max(found.storm.schedule) <= MOST_EXITS_PER_S * 0.01 + 1
    sent = found.storm.count * found.records_per_exit
    assert sum(records) <= sent < sum(records) + found.records_per_exit


def test_the_busiest_part_is_taken() -> None:
    found = replay(load(1, 1, 9, 9, 1, 1), workers=2, most_s=0.02)
    assert found.storm.schedule == (9, 9)


@pytest.mark.parametrize(
    ("lengths", "padding"),
    [({72: 5}, {0}), ({40: 5}, {0}), ({100: 1}, {32}), ({72: 1, 272: 1}, {0, 200})],
)
def test_records_have_the_same_lengths(lengths: dict[int, int], padding: set[int]) -> None:
    assert {*replay(load(1, lengths=lengths), workers=2, most_s=1).turns} == padding


def test_a_long_profile_has_coarser_bins() -> None:
    found = replay(load(*(1,) * 5_000), workers=2, most_s=50)
    assert len(found.storm.schedule) <= 2_000
    assert found.storm.count == 5_000
    assert len(found.storm.schedule) * found.storm.bin_ms == pytest.approx(50_000)


def test_which_buffer() -> None:
    small, large = load(1, name="small"), load(9, name="large")
    assert chosen(profile(small, large)) is large
    assert chosen(profile(small, large), "small") is small
    assert chosen(profile(small), "tracer") is small
    with pytest.raises(UsageError, match="no buffer other"):
        chosen(profile(small), "other")
    with pytest.raises(UsageError, match="nothing was written"):
        chosen(profile(load(0, 0)))


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_bytes(TypeAdapter(Profile).dump_json(profile(load(1, 2))))
    assert read(path) == profile(load(1, 2))
    path.write_text("{}")
    with pytest.raises(JournalError, match="not what bufbench watch --output writes"):
        read(path)
    with pytest.raises(JournalError, match="No such file"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "wrong",
    [
        load(1, bin_s=0.0),
        load(1, bin_s=-1.0),
        load(1, bin_s=1e300),
        load(-5, 9),
        load(10**17),
        load(1, lengths={-7: 1}),
        load(1, lengths={72: 0}),
        load(1, lengths={72: -3}),
    ],
)
def test_a_profile_of_what_cannot_be_is_refused(wrong: Load, tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_bytes(TypeAdapter(Profile).dump_json(profile(load(1), wrong)))
    with pytest.raises(JournalError, match="that no load can have"):
        read(path)


def test_a_file_without_an_end_is_not_read_for_ever() -> None:
    with pytest.raises(JournalError, match="not what bufbench watch --output writes"):
        read(Path("/dev/zero"))


def test_no_process_of_a_replayed_storm_is_before_its_time() -> None:
    """Allow any delay: it depends on what else runs on the machine."""
    schedule = (40, 0, 0, 40, 5)
    storm = Storm(shape=Shape.REPLAY, count=85, schedule=schedule, bin_ms=100.0, workers=2)
    with truth.kept(85) as kept:
        with Generator(storm, truth=kept) as generator:
            generator.go()
            report = generator.wait(30)
        reaped_ns = kept.children()["reaped_ns"].astype(np.int64) - report.start_ns
    due_ns = [1e8 * (at + n / count) for at, count in enumerate(schedule) for n in range(count)]
    assert len(reaped_ns) == len(due_ns) == 85
    assert (np.sort(reaped_ns) >= np.floor(due_ns)).all()


def test_a_replayed_storm_keeps_the_pace_of_its_schedule() -> None:
    """Expect some on time: a busy machine delays not all, a slower storm more and more."""
    schedule = (0,) * 7 + (1,) * 5
    storm = Storm(shape=Shape.REPLAY, count=5, schedule=schedule, bin_ms=100.0, workers=2)
    with truth.kept(5) as kept:
        with Generator(storm, truth=kept) as generator:
            generator.go()
            report = generator.wait(30)
        reaped_ns = np.sort(kept.children()["reaped_ns"].astype(np.int64)) - report.start_ns
    late_ns = reaped_ns - 1e8 * np.flatnonzero(schedule)
    assert 0 <= late_ns.min() < 1e8


@pytest.mark.parametrize("storm", [Storm(shape=Shape.REPLAY), Storm(schedule=(1, 2), bin_ms=1.0)])
def test_a_schedule_and_a_replay_belong_together(storm: Storm) -> None:
    with pytest.raises(UsageError, match="a replay needs a profile"):
        Generator(storm)
