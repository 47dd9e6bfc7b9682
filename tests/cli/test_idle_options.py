# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that an option without effect is refused before anything runs, and no other."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BufbenchError, ExitCode

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    import typer

    from bench.cli import app

PROFILE = "run --profile quick"
NONE = "run --transport none"

IDLE = [
    *(
        f"{PROFILE} {option}"
        for option in (
            *("--workload burst", "--workers 2", "--count 5000", "--rate 5", "--spawn fork"),
            *("--gap fixed", "--burst 5", "--depth 3", "--exec", "--seconds 3", "--budget 64KiB"),
            *("--transport ringbuf", "--wakeup none", "--call output", "--payload 8"),
            *("--records 2", "--poll busy", "--interval 3", "--reader bcc", "--stall 5"),
            *("--flush 3", "--reader-command true"),
            *("--consumer-cpu 0", "--cpus 0", "--blocks 1", "--rate nan", "--payload 9999"),
        )
    ),
    *(
        f"run --workload {shape} {option}"
        for shape, option in (
            *(("storm", "--burst 5"), ("chain", "--burst 5"), ("storm", "--depth 3")),
            *(("burst", "--depth 3"), ("pingpong", "--depth 2"), ("burst", "--spawn vfork")),
            *(("trickle --rate 5", "--workers 1"), ("uneven --rate 5", "--workers 2")),
            *(("storm", "--gap exponential"), ("burst", "--gap fixed"), ("burst", "--rate 5")),
            *(("burst --count 10", "--burst 11"), ("chain --count 10", "--depth 11")),
        )
    ),
    *("run --reader command", "run --reader-command /nowhere", "run --reader-command '"),
    *("run --reader-command true --poll busy", "run --reader-command true --consumer-cpu 0"),
    *("run --interval 5", "run --poll busy --interval 5", "run --poll stopped --stall 5"),
    *(
        f"{NONE} {option}"
        for option in (
            *("--budget 64KiB", "--wakeup none", "--call output", "--payload 8", "--records 2"),
            *("--poll busy", "--reader bcc", "--stall 5", "--consumer-cpu 0"),
        )
    ),
    *("run --transport noop --transport none --records 2", "run --transport perfbuf --call output"),
    "run --transport ringbuf:raw:scratch --transport ringbuf:raw,scratch",
    *("run --transport ringbuf --transport ringbuf", "run --budget 64KiB --budget 65536"),
    *("run --count 5 --count 6", "run --seed 1 --seed 1", "size --rate 5 --rate 6"),
    "size --transport ringbuf --transport ringbuf",
    *("trace --pid 1 --pid 2", "doctor --nonsense"),
    *("claims --strict", "claims --from J --blocks 8", "claims --from J --seed 3"),
    *("claims --from J --wait", "claims --from J --until-settled 1", "claims --from J --output x"),
    *("claims --from J --format json --full", "kernels report J --format html --full"),
    *("history J --format html --full", "fleet report J --format html --full"),
    *("history J --output x.txt", "fleet report J --output x.txt", "watch --format html --json"),
    *("claims --from J --strict", "report J --csv", "report J --parquet"),
    *("report J --output x.txt", "report J --output x --output y"),
    *("kernels report J --output x.txt", "kernels run host --cpus 2", "kernels run host --jobs 2"),
    *("kernels run host --memory 2048", "kernels run host --append quiet"),
    *("kernels run host --emulate", "kernels run host --sources kernels.toml"),
    *("kernels run ./bzImage --sources kernels.toml", "kernels run 6.1 --reproducible --wait"),
    "run --transport sharded:consumers=2 --reader bcc",
    "run --transport ringbuf:copy=whole --reader bcc",
    "run --transport sharded:consumers=2 --stall 5",
    "compare J J --fail-on-regression=yes",
]  # fmt: skip
ACTING = [
    *("run", PROFILE, f"{PROFILE} --seed 3 --wait --quiet", NONE, f"{NONE} --count 5"),
    *("run --workload burst --burst 5 --spawn fork", "run --workload chain --depth 3 --rate 5"),
    *("run --rate 5 --gap exponential", "run --poll timed --interval 3 --stall 2"),
    *("run --transport perfbuf --transport none --records 2", "run --call output"),
    *("run --workload trickle --rate 5 --gap fixed", "run --workload uneven --rate 5"),
    "run --transport sharded:rings=2 --transport sharded:rings=2:consumers=2",
    *("run --fail-on drops --fail-on ringbuf:causal", "run --budget 64KiB --budget 128KiB"),
    *("claims --expect rb-order=reproduced --strict", "claims --only rb-order --blocks 8"),
    *("kernels run 6.1 --cpus 1 --sources kernels.toml", "kernels run host 6.1 --emulate"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(nothing_runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.chdir(tmp_path)


def refused(words: str) -> BufbenchError:
    with pytest.raises(BufbenchError) as raised:
        app.run(words.split())
    return raised.value


@pytest.mark.parametrize("words", IDLE)
def test_what_does_nothing_is_refused(words: str, tmp_path: Path) -> None:
    error = refused(words)
    assert error.exit_code == ExitCode.USAGE
    assert "\n" not in str(error)
    assert not [*tmp_path.iterdir()]
    if not words.startswith("compare") and "--rate 5" not in words:
        option = [each for each in words.split() if each.startswith("--")][-1]
        named = option in str(error) or error.remedy.startswith("choose it by --format")
        assert named or "--output does not write text" in str(error) or "vfork" in str(error)


@pytest.mark.parametrize("words", ACTING)
def test_what_acts_is_taken(words: str, nothing_runs: str) -> None:
    assert str(refused(words)) == nothing_runs


@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-inf", "-1", "1e999", "x", ""])
@pytest.mark.parametrize(
    "words",
    [
        *("run --rate", "run --seconds", "run --poll timed --interval", "run --stall"),
        *("run --count", "run --workers", "run --workload burst --burst", "run --records"),
        *("run --workload chain --depth", "run --blocks", "run --payload", "run --wakeup"),
        *("run --consumer-cpu", "run --budget", "size --rate", "size --burst", "size --stall"),
        *("size --record-size", "size --records", "size --tolerate", "size --seconds"),
        *("size --storms", "size --margin", "claims --blocks", "claims --until-settled"),
        *("trace --duration", "trace --pid", "trace --budget"),
        *("kernels run 6.1 --cpus", "kernels run 6.1 --memory", "kernels run 6.1 --jobs"),
        *("kernels run 6.1 --time-limit", "run --gap fixed --rate"),
    ],
)
def test_no_number_out_of_range(words: str, value: str) -> None:
    with pytest.raises(BufbenchError) as raised:
        app.run([*words.split()[:-1], f"{words.rsplit(maxsplit=1)[-1]}={value}"])
    assert raised.value.exit_code == ExitCode.USAGE, str(raised.value)


def test_every_option_of_run_is_judged_with_a_profile() -> None:
    group: Any = typer.main.get_command(app.app)
    known = {each.opts[0] for each in group.get_command(None, "run").params}
    kept = {
        "--json",
        "--dry-run",
        "--profile",
        "--seed",
        "--output",
        "--resume",
        "--wait",
        "--fail-on",
        "--storm-user",
    }
    tried = {words.split()[3] for words in IDLE if words.startswith(PROFILE)}
    assert known - tried - {"--help"} == kept | {"--quiet", "--json"}
