# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check the grid, the frontier, the choice and its check on storms whose answer is known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from jsonschema import validate
from made_up_tune import PERF, Made, Numbers, answer, falls, grid, outcome, tuned
from schemas import schema

from bench.errors import NotBalanced, UsageError
from bench.measure.latency import NAMES, Percentiles
from bench.plan.budgets import KIB, MIB
from bench.plan.config import Duet, Producer, Wake
from bench.plan.experiments import Arm
from bench.questions.sizing.plan import Load, stored_bytes
from bench.questions.tune.axis import Axis
from bench.questions.tune.judge import points, recommend
from bench.questions.tune.plan import DUETS, SETTINGS, Setting, choices, config
from bench.questions.tune.run import planned
from bench.questions.tune.terms import Buffers, terms
from bench.report.renderers import json as as_json
from bench.report.renderers import text as as_text
from bench.tracer.transports import find
from bench.trial.result import State, TrialResult


def test_the_grid_has_the_default_and_every_setting_of_each_transport() -> None:
    made = grid()
    assert len(made) == 2 * len(SETTINGS) == 26
    by_name = {each.arm.name: each.arm.config for each in made}
    plain = by_name["ringbuf@1MiB"]
    assert (plain.producer.wake, plain.consumer.flush_ms) == (Wake.ADAPTIVE, 0)
    ring = by_name["ringbuf@1MiB/wakeup=16,flush=5ms"]
    perf = by_name["perfbuf@1MiB/wakeup=16,flush=5ms"]
    assert (ring.producer.wake, ring.producer.watermark) == (Wake.BYTES, 16 * 80)
    assert (perf.producer.wake, perf.producer.watermark) == (Wake.BYTES, 16 * 88)
    alone = by_name["perfbuf@1MiB/wakeup=none,flush=20ms"]
    assert (alone.producer.wake, alone.consumer.flush_ms) == (Wake.NONE, 20)
    storms = {each.arm.config.storm for each in made}
    assert len(storms) == 1
    assert storms.pop().count == 1_000  # the same in each, so that they pair


def test_a_watermark_fits_twice_into_a_buffer() -> None:
    names = {each.arm.name for each in grid(8 * KIB)}  # a page for each CPU: 46 of 88 bytes
    assert "ringbuf@8KiB/wakeup=16,flush=5ms" in names
    assert not any("perfbuf" in name and "wakeup=64" in name for name in names)
    large = config(Load(record_bytes=4_168, stall_ms=0.0), 2)
    with pytest.raises(UsageError, match="take a larger --budget"):
        choices([PERF], large, 8 * KIB, cpus=2)


@pytest.mark.parametrize(
    ("axis", "within_ms", "expected"),
    [
        (Axis.BALANCE, 10.0, Setting(wake_at=16, flush_ms=5)),  # p99 of 7.5 ms
        (Axis.BALANCE, 7.0, Setting(wake_at=16, flush_ms=1)),
        (Axis.BALANCE, 0.1, Setting()),  # none is in time; it comes nearest
        (Axis.CPU, 10.0, Setting(wake_at=16, flush_ms=20)),
        (Axis.LATENCY, 10.0, Setting()),
    ],
)
def test_the_choice_is_best_on_its_axis(axis: Axis, within_ms: float, expected: Setting) -> None:
    def spread(setting: Setting) -> Numbers:
        p50_ms, cpu_ms = falls(setting)
        # Of settings alike on the axis the other axis decides: 16 delivers soonest.
        late = 1.01 if setting.wake_at not in (4, 16) else 1.0
        return p50_ms * late, cpu_ms

    found = tuned(Made(spread), axis, within_ms)
    assert {each.setting for each in found.values()} == {expected}


def test_a_choice_that_ties_with_the_best_is_not_called_the_lowest() -> None:
    def spread(setting: Setting) -> Numbers:
        p50_ms, cpu_ms = falls(setting)
        return (p50_ms, 1.02 * cpu_ms) if setting.wake_at == 16 else (1.1 * p50_ms, cpu_ms)

    for spread_or_not, least in ((falls, "the lowest"), (spread, "within 5 % of the lowest")):
        (found, _) = points(grid(), Made(spread_or_not).grid()).values()
        chosen, reason, _ = recommend(found, Axis.CPU, 10.0)
        assert chosen.setting == Setting(wake_at=16, flush_ms=20)
        assert reason == f"{least} consumer CPU, whatever the latency"


def test_dominated_settings_are_marked() -> None:
    (ring, _) = points(grid(), Made(falls).grid()).values()
    marked = {each.setting for each in ring if each.dominated}
    # As slow as the default and no cheaper: what wakes at 4. All others lie on one curve.
    assert marked == {Setting(wake_at=4, flush_ms=ms) for ms in (1, 5, 20)}
    assert ring[0].setting.default
    found = next(each for each in ring if each.setting == Setting(wake_at=16, flush_ms=5))
    assert found.cpu_s_per_million.ratio == pytest.approx(1 / 6)
    assert found.p50_ns.ratio == pytest.approx(25.0)
    assert (found.cpu_s_per_million.better_in, found.cpu_s_per_million.blocks) == (8, 8)


def test_what_lost_records_is_not_recommended() -> None:
    made = Made(falls)
    made.lossy = "ringbuf@1MiB/wakeup=16,flush=20ms"
    found = tuned(made, Axis.CPU)
    assert found["ringbuf"].setting == Setting(wake_at=64, flush_ms=20)
    assert found["perfbuf"].setting == Setting(wake_at=16, flush_ms=20)


def test_the_recommendation_meets_the_default_in_duets() -> None:
    made = Made(falls)
    found = tuned(made, Axis.CPU)
    first, *duets = made.asked
    assert (first.name, len(first.arms), first.blocks) == ("tune", 26, 8)
    assert {each.name: [arm.name for arm in each.arms] for each in duets} == {
        "tune-duet-ringbuf": ["ringbuf@1MiB/wakeup=16,flush=20ms", "ringbuf@1MiB"],
        "tune-duet-perfbuf": ["perfbuf@1MiB/wakeup=16,flush=20ms", "perfbuf@1MiB"],
        "tune-duet": ["ringbuf@1MiB/wakeup=16,flush=20ms", "perfbuf@1MiB/wakeup=16,flush=20ms"],
    }
    assert {each.blocks for each in duets} == {DUETS} == {10}
    assert {arm.config.duet for each in duets for arm in each.arms} == {Duet(solo=True)}
    check = found["ringbuf"].check
    assert check is not None
    assert (check.cpu_s_per_million.better_in, check.cpu_s_per_million.blocks) == (10, 10)


def test_the_plan_has_all_rounds_as_they_may_become() -> None:
    names = [each.name for each in planned(grid(), 8)]
    assert names == ["tune", "tune-duet-ringbuf", "tune-duet-perfbuf", "tune-duet"]
    rings = [each for each in grid() if each.transport == "ringbuf"]
    assert [each.name for each in planned(rings, 8)] == ["tune", "tune-duet-ringbuf"]


def test_what_duets_do_not_confirm_gives_way_to_the_default() -> None:
    made = Made(falls, check=lambda _: (0.1, 10.0))
    found = tuned(made, Axis.CPU)["ringbuf"]
    assert not found.recommended.setting.default
    assert not found.confirmed
    assert found.setting.default
    assert "keep the default: to wake at every 16th record" in answer(made, Axis.CPU).title
    assert "was better in 0 of 10 duets." in answer(made, Axis.CPU).title


def test_what_is_late_in_duets_is_not_confirmed() -> None:
    def later(setting: Setting) -> Numbers:
        p50_ms, cpu_ms = falls(setting)
        return p50_ms * 2, cpu_ms

    title = answer(Made(falls, check=later), Axis.BALANCE).title
    assert "keep the default: to wake at every 16th record and flush after 5 ms was" in title
    assert "better in 10 of 10 duets, but took longer than 10 ms for 99 %." in title


def test_few_duets_that_count_confirm_nothing() -> None:
    class Broken(Made):
        def state(self, arm: Arm) -> State:
            alone = arm.config.duet is not None and not self.settings[arm.name].default
            self.met = self.met + 1 if alone else self.met
            return State.INVALID if alone and self.met % 5 == 0 else super().state(arm)

        met = 0

    found = tuned(Broken(falls), Axis.CPU)["ringbuf"]
    assert found.check is not None
    assert (found.check.cpu_s_per_million.better_in, found.check.cpu_s_per_million.blocks) == (8, 8)
    assert not found.confirmed


def test_where_no_setting_is_in_time_latency_decides() -> None:
    def slow(setting: Setting) -> Numbers:
        return (8.0, 10.0) if setting == Setting(wake_at=16, flush_ms=1) else (9.0, 5.0)

    found = tuned(Made(slow), Axis.BALANCE)["ringbuf"]
    assert (found.axis, found.confirmed) == (Axis.LATENCY, True)
    assert found.setting == Setting(wake_at=16, flush_ms=1)
    assert found.reason == "none has 99 % of records within 10 ms; this comes closest"


def test_where_nothing_is_better_only_transports_meet() -> None:
    made = Made(lambda _: (0.1, 10.0))
    found = tuned(made, Axis.BALANCE)
    assert {each.setting for each in found.values()} == {Setting()}
    assert all(each.confirmed for each in found.values())
    assert [each.name for each in made.asked] == ["tune", "tune-duet"]
    title = answer(made, Axis.BALANCE).title
    assert "keep the default: no setting has a reliably lower consumer CPU with 99 %" in title


def test_a_default_without_a_valid_trial_is_no_answer() -> None:
    made = Made(falls)
    made.invalid = "perfbuf@1MiB"
    with pytest.raises(NotBalanced, match="the default of perfbuf"):
        tuned(made, Axis.CPU)


def test_few_blocks_recommend_nothing() -> None:
    made = Made(falls)
    trials = made.grid()
    few = [each for each in trials if each.block < 5]
    for found in points(grid(), few).values():
        assert recommend(found, Axis.CPU, 10.0)[0].setting.default


def test_the_better_transport_leads_and_is_compared_with_the_other() -> None:
    class Cheap(Made):
        def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
            made = super().trial(experiment, arm, block)
            if made.cost is None or made.config.transport != "perfbuf":
                return made
            half_ns = made.cost.consumer_cpu_ns // 2
            return replace(made, cost=replace(made.cost, consumer_cpu_ns=half_ns))

    found = outcome(Cheap(falls), Axis.CPU)
    assert list(found.tuned) == ["perfbuf", "ringbuf"]
    assert found.beside is not None
    assert (found.beside.ratio, found.beside.blocks) == (pytest.approx(0.5, rel=1e-3), DUETS)
    text = " ".join(as_text.render(answer(Cheap(falls), Axis.CPU)).split())
    assert text.startswith(
        "The perf buffers: wake at every 16th record of a CPU and flush after 20"
    )
    assert "with the ring buffer in 10 duets (x 0.500, 0.500 to 0.500)." in text
    alike = " ".join(as_text.render(answer(Made(falls), Axis.CPU)).split())
    assert "(x 1.00, 1.00 to 1.00): the difference may be chance, either will do." in alike


def test_the_document_leads_with_the_recommendation() -> None:
    made = answer(Made(falls), Axis.BALANCE)
    assert made.title.startswith(
        "The ring buffer: wake at every 16th record and flush after 5 ms: consumer CPU 0.167 times "
        "the default's, median latency +2.40 ms."
    )
    text = " ".join(as_text.render(made).split())
    assert "consumer CPU lower than the default's in 10 of 10 duets (x 0.167" in text
    assert "dominated" in text
    data = json.loads(as_json.render(made))
    validate(data, schema("tune"))
    assert data["recommended"] == "ringbuf"
    assert data["transports"]["perfbuf"]["setting"] == {"wake_at": 16, "flush_ms": 5}
    assert len(data["transports"]["ringbuf"]["points"]) == 13


def test_latencies_come_with_their_error() -> None:
    class Shared(Made):
        def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
            made = super().trial(experiment, arm, block)
            assert made.latency is not None
            most_ns = made.latency.p99_ns // 2
            error = replace(Percentiles(**dict.fromkeys(("count", *NAMES), 0)), p99_ns=most_ns)
            return replace(made, latency=replace(made.latency, error=error))

    said = "Behind a backlog records shared stamps: latencies are too long by up to 100.0 %."
    assert said in " ".join(as_text.render(answer(Shared(falls), Axis.CPU)).split())
    assert "shared stamps" not in as_text.render(answer(Made(falls), Axis.CPU))


def test_duets_decide_which_transport_leads() -> None:
    class Turned(Made):
        def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
            made = super().trial(experiment, arm, block)
            slow = made.config.transport == ("ringbuf" if experiment == "tune-duet" else "perfbuf")
            if made.cost is None or not slow:
                return made
            more_ns = made.cost.consumer_cpu_ns * 2
            return replace(made, cost=replace(made.cost, consumer_cpu_ns=more_ns))

    found = outcome(Turned(falls), Axis.CPU)
    assert list(found.tuned) == ["perfbuf", "ringbuf"]
    assert found.beside is not None
    assert found.beside.ratio == pytest.approx(0.5, rel=1e-3)


def terms_of(setting: Setting, name: str) -> dict[str, str]:
    way = find(name)
    buffers = Buffers(way=way, budget_bytes=MIB, cpus=2, record_bytes=stored_bytes(way, Producer()))
    return {each.where: each.text for each in terms(setting, buffers)}


def test_a_setting_in_the_terms_of_each_library() -> None:
    setting = Setting(wake_at=16, flush_ms=5)
    ring, perf = terms_of(setting, "ringbuf"), terms_of(setting, "perfbuf")
    assert "BPF_RB_AVAIL_DATA) >= 1280 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO" in ring["BPF program"]
    assert "max_entries = 1048576; ring_buffer__poll(rb, 5)" in ring["libbpf"]
    assert "buf_size_preset: 1," in ring["Falco"]
    assert "perf_rb_pages=256 }" in ring["bpftrace"]
    assert "--rb-size-total=1048576" in ring["Tetragon"]
    assert "attr.wakeup_watermark = 1408" in perf["libbpf"]
    assert "page_cnt=128, wakeup_events=16); perf_buffer_poll(5)" in perf["bcc"]
    assert "perCPUBuffer 524288, Watermark: 1408; SetDeadline 5 ms" in perf["cilium/ebpf"]
    assert "perf_rb_pages=128" in perf["bpftrace"]
    assert "--rb-size=524288 (of each CPU), with --use-perf-ring-buffer" in perf["Tetragon"]
    alone = Setting(flush_ms=5)
    assert "BPF_RB_NO_WAKEUP" in terms_of(alone, "ringbuf")["BPF program"]
    assert "wakeup_watermark = 524288" in terms_of(alone, "perfbuf")["libbpf"]
    assert "flags 0" in terms_of(Setting(), "ringbuf")["BPF program"]
    assert "wakeup_events=1)" in terms_of(Setting(), "perfbuf")["bcc"]
