# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test completion in a shell, and the manual page: both from the commands as click knows them."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import manual
import pytest
from tracing import bufbench, within

import bench
from bench import cli
from bench.cli import COMMANDS, COMPLETED
from bench.cli.completion import SHELLS
from bench.host import process
from bench.questions.transports.profiles import NAMES
from bench.tracer.transports import names
from workloads.storm import Shape

PROGRAM = Path(sys.executable).parent / "bufbench"


def completed(*words: str) -> set[str]:
    """Return what bufbench answers bash, each as "plain,run" or, of files, "file,"."""
    asked = {"COMP_WORDS": " ".join(("bufbench", *words)), "COMP_CWORD": str(len(words))}
    done = within(**asked, **{COMPLETED: "bash_complete"})
    assert (done.returncode, done.stderr) == (0, "")
    return {*done.stdout.split()}


def plain(*words: str) -> set[str]:
    return {f"plain,{word}" for word in words}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ru",), {"run"}),
        (("run", "--wo"), {"--workload", "--workers"}),
        (("run", "--workload", ""), {*Shape}),
        (("run", "--workload", "="), {*Shape}),
        (("run", "--workload=ping",), {"pingpong"}),
        (("run", "--fail-on", "drops"), {"drops"}),
        (("run", "--fail-on", "ringbuf:"), {"ringbuf:drops", "ringbuf:causal"}),
        (("run", "--profile", ""), {*NAMES}),
        (("run", "--wakeup", "no"), {"none"}),
        (("size", "--transport", ""), {*names()}),
        (("tune", "--transport", "ringb"), {"ringbuf"}),
        (("trace", "--transport", "perf"), {"perfbuf"}),
        (("claims", "--only", "rb-ord"), {"rb-order"}),
        (("duet", "ringbuf", "perf"), {"perfbuf"}),
        (("duet", "--assign", "so"), {"solo"}),
        (("run", "--budget", "none", "--budget", "1K", "--rate", "x", "--see"), {"--seed"}),
    ],
    ids=lambda value: " ".join(value if isinstance(value, tuple) else sorted(value)),
)  # fmt: skip
def test_names_are_completed(words: tuple[str, ...], offered: set[str]) -> None:
    assert completed(*words) == plain(*offered)


def test_commands_and_options_are_completed() -> None:
    assert completed("") == plain(*COMMANDS)
    assert plain("list", "fetch", "prune", "run", "report") <= completed("kernels", "")
    assert "plain,--emulate" in completed("kernels", "run", "--")
    assert "plain,--emulate" not in completed("run", "--")


def test_files_are_completed() -> None:
    for words in (("report",), ("run", "--output"), ("size", "--from"), ("no-such-command",)):
        assert completed(*words, "x") == {"file,x"}


def test_bash_asks_by_the_script(tmp_path: Path) -> None:
    script = tmp_path / "bufbench.bash"
    script.write_text(within("completion", "bash").stdout)
    line = (
        f"source {script}; COMP_WORDS=({PROGRAM} run --wo); COMP_CWORD=2; "
        f"_bufbench_completion {PROGRAM}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = process.run(["bash", "-c", line], timeout_s=30)
    assert (done.stdout.split(), done.stderr) == (["--workload", "--workers"], "")


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_ones_that_the_shell_takes(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = tmp_path / f"bufbench.{shell}"
    script.write_text(within("completion", shell).stdout)
    assert process.run([shell, "-n", str(script)], timeout_s=30).stderr == ""


def test_fish_completes(tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    script = tmp_path / "bufbench.fish"
    script.write_text(within("completion", "fish").stdout)
    for line, offered in (
        ("run --workload ", {*Shape}),
        ("kernels ", {"list", "fetch", "prune", "run", "report"}),
        ("kernels run --emu", {"--emulate"}),
    ):
        words = f"source {script}; complete -C 'bufbench {line}'"
        path = f"{PROGRAM.parent}:{os.environ['PATH']}"
        env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PATH": path}
        done = process.run(["fish", "--no-config", "-c", words], timeout_s=30, env=env)
        assert {each.partition("\t")[0] for each in done.stdout.splitlines()} >= offered


@pytest.mark.parametrize("asked", ["bash_complete", "tcsh_complete", "bash_source", ""])
def test_a_variable_that_no_script_has_set_is_ignored(asked: str) -> None:
    assert bufbench("--version", **{COMPLETED: asked}).stdout.startswith("bufbench ")


def test_the_manual_page_is_up_to_date() -> None:
    assert manual.PAGE.read_text(encoding="utf-8") == manual.page(), "stale: ./run generate"


def test_the_manual_page_has_every_command_and_option() -> None:
    if shutil.which("man") is None:
        pytest.skip("no man here")
    env = {"MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    done = process.run(["man", "--warnings", "-l", str(manual.PAGE)], timeout_s=30, env=env)
    assert done.stderr == ""
    for node in manual.nodes():
        assert " ".join(("bufbench", *node.words)) in done.stdout
        for option in node.options:
            assert option.flags[-1] in (*done.stdout.split(), "--help")
    assert all(name in done.stdout for name in cli.VARIABLES)
    assert "bufbench doctor --least-privilege" in done.stdout


def test_every_variable_that_is_read_is_described() -> None:
    read: set[str] = set()
    for module in Path(bench.__file__).parent.rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        read |= {*re.findall(r"environ(?:ment)?(?:\.get\(|\[)\"([A-Z_]+)\"", text)}
        read |= {*re.findall(r"\"(BUFBENCH_[A-Z_]+|XDG_[A-Z_]+)\"", text)}
    described = " ".join(cli.VARIABLES)
    own = {"OPENBLAS_NUM_THREADS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONPATH"}  # set, not read
    own |= {"POLARS_MAX_THREADS"}
    own |= {"BUFBENCH_COUNTED", "BUFBENCH_KERNEL_CONFIG"}  # set for guests
    own |= {"BUFBENCH_READER"}  # set for an external reader
    own |= {"BUFBENCH_LOCK"}  # set for what measures in place of the lock's holder
    assert {name for name in read if name not in described} <= own
    assert next(iter(cli.VARIABLES)) in within("--help").stdout
