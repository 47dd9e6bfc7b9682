# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Completion by scripts that start nothing, and the man page: both made from the commands."""

from __future__ import annotations

import re
import shlex
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench import cli
from bench.host import process
from bench.tracer.transports import names
from workloads.storm import Shape

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import COMMANDS, app, completion, man
    from bench.cli.man import nodes

NODES = list(nodes())
MAN = Path(__file__).parents[2] / "docs/bufbench.1"
Complete = Callable[..., set[str]]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in completion.Shell:
        lines = completion._SCRIPTS[shell](NODES)
        (folder / f"bufbench.{shell}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def bash(scripts: Path) -> Complete:
    def completed(*words: str, path: str = "") -> set[str]:
        """Return what bash offers for the last word, with nothing else on PATH."""
        line = " ".join(map(shlex.quote, ("bufbench", *words)))
        script = (
            f"source {scripts}/bufbench.bash; PATH={path!r}; COMP_WORDS=({line}); "
            f"COMP_CWORD={len(words)}; _bufbench; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        done = process.run(["bash", "-c", script], timeout_s=30, cwd=scripts)
        assert done.stderr == ""
        return {*done.stdout.split()}

    return completed


def test_bash_completes_commands_options_and_names(bash: Complete) -> None:
    assert bash("") >= {*COMMANDS, "--version"}
    assert bash("ru") == {"run"}
    assert bash("run", "--wo") == {"--workload", "--workers"}
    assert bash("run", "--workload", "") == {*Shape}
    assert bash("run", "--workload", "=", "ping") == {"pingpong"}
    assert bash("run", "--fail-on", "drops") == {"drops"}
    assert bash("size", "--transport", "") >= {*names()}
    assert bash("kernels", "") >= {"list", "fetch", "prune", "run", "report"}
    assert "--emulate" in bash("kernels", "run", "--")
    assert "--emulate" not in bash("run", "--")
    assert bash("claims", "--only", "rb-ord") == {"rb-order"}
    assert "ringbuf" in bash("duet", "")
    assert bash("trace", "--duration", "") == set()


def test_bash_completes_files(bash: Complete) -> None:
    assert "bufbench.zsh" in bash("report", "")
    assert "bufbench.zsh" in bash("run", "--output", "bufb")
    assert "bufbench.zsh" not in bash("doctor", "")


@pytest.mark.parametrize("shell", completion.Shell)
def test_scripts_are_ones_that_the_shell_takes(shell: str, scripts: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    done = process.run([shell, "-n", str(scripts / f"bufbench.{shell}")], timeout_s=30)
    assert done.stderr == ""


def test_fish_completes(scripts: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    for line, offered in (
        ("run --workload ", {*Shape}),
        ("kernels ", {"list", "fetch", "prune", "run", "report"}),
        ("kernels run --emu", {"--emulate"}),
    ):
        script = f"source {scripts}/bufbench.fish; complete -C 'bufbench {line}'"
        env = {"HOME": str(scripts), "XDG_CONFIG_HOME": str(scripts)}
        done = process.run(["fish", "--no-config", "-c", script], timeout_s=30, env=env)
        assert {each.partition("\t")[0] for each in done.stdout.splitlines()} >= offered


@pytest.mark.parametrize("shell", completion.Shell)
def test_a_script_starts_nothing(shell: str, scripts: Path) -> None:
    script = (scripts / f"bufbench.{shell}").read_text()
    assert not re.search(r"\$\(\s*bufbench|`|python", script)
    for node in NODES:
        assert all(flag.lstrip("-") in script for option in node.options for flag in option.flags)


def test_the_command_prints_it(scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["completion", "bash"]) == 0
    assert capsys.readouterr().out == (scripts / "bufbench.bash").read_text()


def test_the_man_page_is_up_to_date() -> None:
    written = "\n".join(man.page(NODES)) + "\n"
    assert MAN.read_text(encoding="utf-8") == written, "stale: ./run generate"


def test_the_man_page_has_every_command_and_option() -> None:
    if shutil.which("man") is None:
        pytest.skip("no man here")
    env = {"MANWIDTH": "200", "LC_ALL": "C.UTF-8"}
    done = process.run(["man", "--warnings", "-l", str(MAN)], timeout_s=30, env=env)
    assert done.stderr == ""
    for node in NODES:
        assert " ".join(("bufbench", *node.words)) in done.stdout
        for option in node.options:
            assert option.flags[-1] in (*done.stdout.split(), "--help")
    assert all(name in done.stdout for name in cli.VARIABLES)
    assert "bufbench doctor --least-privilege" in done.stdout


def test_every_variable_that_is_read_is_described(capsys: pytest.CaptureFixture[str]) -> None:
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
    assert {name for name in read if name not in described} <= own
    assert app.run(["--help"]) == 0
    assert all(name in capsys.readouterr().out for name in list(cli.VARIABLES)[:1])
