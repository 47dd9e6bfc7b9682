# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the application. Each command is loaded when it is called: `trace` must start fast."""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import click
import typer

from bench.cli import COMMANDS, COMPLETED, VARIABLES, output, settings
from bench.cli.options import Command, Suggesting, plain_app
from bench.errors import ExitCode, UsageError
from bench.linux import refusal


class _LoadedWhenCalled(Suggesting):
    """Load command NAME from bench.cli.NAME when it is called: ``command`` or, a group, ``app``."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> object:  # type: ignore[override]  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"bench.cli.{cmd_name}")
        if hasattr(module, "app"):
            return typer.main.get_command(module.app)
        alone = plain_app()
        alone.command(cmd_name, cls=Command)(module.command)
        return typer.main.get_command(alone)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Describe the environment variables that bufbench reads."""
        with formatter.section("Environment"):
            formatter.write_dl([*VARIABLES.items()])


app = plain_app(_LoadedWhenCalled)


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code; errors are raised.

    Typer itself would report wrong usage in three lines, and exit with 1 when the reader of the
    output is gone.
    """
    _accept_any_stream()
    group = typer.main.get_command(app)
    if COMPLETED in os.environ:
        from bench.cli.completion import answer

        if answer(group):
            return ExitCode.OK
    try:
        words = arguments or ["--help"]
        with refusal.explain(), group.make_context("bufbench", [*words]) as context:
            group.invoke(context)
        sys.stdout.flush()
    except click.UsageError as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        command = error.ctx.command_path if error.ctx else "bufbench"
        remedy = f"see {command} --help"
        raise UsageError(message[:1].lower() + message[1:], remedy=remedy) from error
    except click.exceptions.Exit as leave:  # after --help, --version, or with a code
        return leave.exit_code if arguments else ExitCode.USAGE
    except BrokenPipeError:  # its reader has gone
        output.give_up()
    except OSError as error:
        if error.errno in (ENOSPC, EFBIG, EIO, EDQUOT) and error.filename is None:
            output.give_up()
            raise UsageError(
                f"the output cannot be written: {error.strerror}", remedy="write it elsewhere"
            ) from error
        raise UsageError(f"{error.filename or 'the system'}: {error.strerror or error}") from error
    return ExitCode.OK


def _accept_any_stream() -> None:
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


def _show_version(requested: bool) -> None:
    if requested:
        from bench.linux.machine import harness_version

        typer.echo(f"bufbench {harness_version()}")
        raise typer.Exit


_VERSION = typer.Option(
    "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
)


_NO_CONFIG = typer.Option("--no-config", help="Ignore bufbench.toml and pyproject.toml.")


@app.callback()
def _bufbench(
    context: typer.Context,
    *,
    version: Annotated[bool, _VERSION] = False,  # noqa: ARG001
    no_config: Annotated[bool, _NO_CONFIG] = False,
) -> None:
    """Compare the BPF ring buffer with the perf buffer under a fork storm.

    Start with `bufbench doctor`, which says whether this machine can measure, then
    `bufbench size`, which recommends a buffer for a load, and its size.

    Exit codes: 0 success, 1 a gate failed, 2 wrong usage or an unusable journal, 3 machine unfit
    or busy, 4 a trial did not balance, 130 on Ctrl-C, 143 on SIGTERM.

    Sizes are bytes, such as 65536, 64K or 64KiB (K and KiB are 1,024); times are written like
    500ms, 30s or 1m.

    Defaults of options are read from bufbench.toml, or from pyproject.toml, in the working folder.
    Each command has a table: [run], or [tool.bufbench.run] in pyproject.toml.

    Example: bufbench doctor
    """
    if not no_config:
        settings.load(context)
