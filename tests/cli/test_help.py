# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what the helps show: options in groups, and the names that they take."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import pytest

from bench.campaign import gates
from bench.errors import UsageError
from bench.plan.experiments import BASELINES
from bench.questions.transports import profiles
from bench.tracer.transports import names
from workloads.storm import Shape

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app

Help = Callable[..., str]


@pytest.fixture
def help_of(capsys: pytest.CaptureFixture[str]) -> Help:
    def shown(*command: str) -> str:
        assert app.run([*command, "--help"]) == 0
        return capsys.readouterr().out

    return shown


def groups(text: str) -> dict[str, list[str]]:
    """Return the options by their heading."""
    found: dict[str, list[str]] = {}
    options: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"(\w[\w ]*):", line):
            options = found.setdefault(heading[1], [])
        elif option := re.match(r"  (?:-h, )?--([\w-]+)", line):
            options.append(option[1])
    return found


def test_options_stand_in_groups(help_of: Help) -> None:
    found = groups(help_of("run"))
    assert [*found] == ["Run", "Storm", "Tracer", "Consumer", "Output", "Other options"]
    assert {"workload", "rate", "cpus"} <= {*found["Storm"]}
    assert {"budget", "transport", "wakeup"} <= {*found["Tracer"]}
    assert {"poll", "stall"} <= {*found["Consumer"]}
    assert found["Other options"] == ["help"]


@pytest.mark.parametrize("command", [("kernels", "run"), ("report",), ("compare",), ("duet",)])
def test_arguments_are_explained(help_of: Help, command: tuple[str, ...]) -> None:
    arguments = help_of(*command).partition("\nArguments:\n")[2].partition("\n\n")[0]
    for line in arguments.splitlines():
        assert re.match(r"  \S+  +\w|   ", line), line


def test_names_that_an_option_takes_are_in_its_help(help_of: Help) -> None:
    run = " ".join(help_of("run").split())
    for name in (*names(), *BASELINES, *Shape, *profiles.NAMES, "TRANSPORT:drops", "causal"):
        assert name in run
    for command in ("trace", "size"):
        assert ", ".join(names()) in " ".join(help_of(command).split())


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("--transport", "x"), names()),
        (("--workload", "x"), tuple(Shape)),
        (("--profile", "x"), profiles.NAMES),
        (("--fail-on", "x"), ("drops", "causal", *names())),
    ],
)
def test_names_that_an_option_takes_are_in_its_error(
    words: tuple[str, str], known: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as raised:
        app.run(["run", *words])
    assert all(name in str(raised.value) for name in known)


def test_every_gate_is_in_the_help(help_of: Help) -> None:
    text = help_of("run")
    assert all(what in text for what in gates.WHAT)
