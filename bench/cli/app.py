# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The application: its commands, each loaded when it is called."""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import click
import typer

from bench.cli import COMMANDS, output
from bench.cli.lazy import group_of, plain_app
from bench.errors import ExitCode, UsageError
from bench.host import limits

app = plain_app(group_of(COMMANDS, "bench.cli."))


def run(arguments: list[str]) -> int:
    """Run one command; gives the exit code, or raises what went wrong.

    In place of Typer's own frame, which tells wrong usage in three lines and ends with 1 where
    nobody reads the output any more.
    """
    _open_for_anything()
    group = typer.main.get_command(app)
    try:
        words = [*arguments] or ["--help"]
        with limits.explain(), group.make_context("bufbench", words) as context:
            group.invoke(context)
        sys.stdout.flush()
    except click.UsageError as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        command = [name for name in arguments[:1] if name in COMMANDS]
        raise UsageError(
            message[:1].lower() + message[1:],
            remedy=" ".join(["see bufbench", *command, "--help"]),
        ) from error
    except click.exceptions.Exit as leave:  # after --help, --version, or with a code
        return leave.exit_code if arguments else ExitCode.USAGE
    except BrokenPipeError:  # whoever read our output has seen enough
        output.give_up()
    except OSError as error:
        if error.errno in (ENOSPC, EFBIG, EIO, EDQUOT) and error.filename is None:
            output.give_up()
            raise UsageError(
                f"the output cannot be written: {error.strerror}", remedy="write it elsewhere"
            ) from error
        raise UsageError(f"{error.filename or 'the system'}: {error.strerror or error}") from error
    return ExitCode.OK


def _open_for_anything() -> None:
    """Accept closed streams (>&-) and encodings that lack characters."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  to the end
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")
    if type(sys.stderr) is TextIOWrapper:
        sys.stderr = output.DetachedStream(sys.stderr)


def _show_version(asked: bool) -> None:
    if asked:
        from bench.linux.machine import harness_version

        typer.echo(f"bufbench {harness_version()}")
        raise typer.Exit


@app.callback()
def _bufbench(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and leave."
        ),
    ] = False,
) -> None:
    """Compare the BPF ring buffer with the perf buffer under a fork storm.

    Exit codes: 0 fine, 1 a gate failed, 2 usage, 3 machine unfit or busy, 4 a trial did not
    balance, 130 on Ctrl-C, 143 on SIGTERM.

    Example: bufbench doctor
    """
