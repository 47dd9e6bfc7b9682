# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define options that several commands share, their values with units, and checks of options."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import click
import psutil
import typer
import typer.core
from click.core import ParameterSource, augment_usage_errors
from typer import Option

from bench.cli import settings
from bench.errors import UsageError, check_range, reject
from bench.plan import budgets
from bench.report import renderers
from bench.tracer.transports import names

_T = TypeVar("_T")
_PLAIN: Final = {"s": "seconds", "ms": "milliseconds", "m": "minutes"}
_TIME: Final = r"\s*([0-9.]{1,15})\s*(us|µs|ms|s|m|min|h)\s*"
_SECONDS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600}


class Size(click.ParamType):  # type: ignore[type-arg]  # not generic before 8.4
    """Parse bytes: 65536, 64K, 64KiB, "64 KiB"; K and KiB are 1,024.

    A plain number counts ``unit`` bytes; ``words`` are accepted as well: "mixed". ``check``
    returns a size that is possible, and raises UsageError for others.
    """

    name = "size"

    def __init__(
        self,
        *,
        unit: int = 1,
        words: dict[str, int] | None = None,
        check: Callable[[int], int] = int,
    ) -> None:
        self._unit = unit
        self._check = check
        self._words = words or {}

    def typed(self, size_bytes: Any) -> str:
        """Return a size as it would be typed: "1MiB", or its word."""
        words = (word for word, meant in self._words.items() if meant == size_bytes)
        return next(words, budgets.label(size_bytes))

    def convert(self, value: Any, param: click.Parameter | None, _: Any) -> int:
        """Return the bytes; UsageError, naming the option, for anything else."""
        if isinstance(value, int):
            return value
        if value in self._words:
            return self._words[value]
        try:
            factor = self._unit if value.strip().isdecimal() else 1
            return self._check(budgets.parse(value) * factor)
        except UsageError as error:
            raise UsageError(f"{_named(param)}{error.message}", remedy=error.remedy) from error


class Time(click.ParamType):  # type: ignore[type-arg]  # not generic before 8.4
    """Parse a time: 30s, 500ms, 1m, 2h; a plain number counts ``unit``, "s", "ms" or "m"."""

    name = "time"

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def typed(self, length: Any) -> str:
        """Return a length of time as it would be typed: "30s"."""
        return f"{length:g}{self._unit}"

    def convert(self, value: Any, param: click.Parameter | None, _: Any) -> float:
        """Return the time in ``unit``; UsageError, naming the option, for anything else."""
        try:
            return float(value)
        except ValueError:
            pass
        try:
            number, unit = re.fullmatch(_TIME, value).groups()  # type: ignore[union-attr]
            return float(number) * _SECONDS[unit] / _SECONDS[self._unit]
        except (AttributeError, ValueError):
            raise UsageError(
                f"{_named(param)}{value[:40]!r} is not a length of time",
                remedy=f"write it like 30s, 500ms or 1m; a plain number is {_PLAIN[self._unit]}",
            ) from None


def _named(parameter: click.Parameter | None) -> str:
    return f"{parameter.opts[0]}: " if parameter is not None else ""


def parsed(option: str, parse: Callable[..., _T], *values: Any, **more: Any) -> _T:
    """Return the parsed values of an option; a UsageError of ``parse`` names the option."""
    try:
        return parse(*values, **more)
    except UsageError as error:
        named = option in f"{error.message} {error.remedy}"
        message = error.message if named else f"{option}: {error.message}"
        raise UsageError(message, remedy=error.remedy) from error


def ring_size(size_bytes: int) -> int:
    """Return a size that a ring buffer can have on this machine; UsageError for another."""
    return budgets.check(size_bytes, memory_bytes=psutil.virtual_memory().available)


def _of(
    panel: str, *names: str, unit: str = "", within: tuple[float, float] | None = None, **more: Any
) -> Any:
    """Make an option of a panel, with a value in ``unit`` (of :class:`Time`, "B" or "ring").

    UsageError for a value that is not ``within`` both bounds.
    """

    def check(parameter: typer.CallbackParam, value: Any) -> Any:
        if within is not None and value is not None:
            check_range(parameter.opts[0], value, *within)
        return value

    if unit:
        kinds = {"B": Size(), "ring": Size(check=ring_size)}
        more["click_type"] = kinds.get(unit) or Time(unit)
    return Option(*names, rich_help_panel=panel, callback=check if within else None, **more)


of_storm: Final = partial(_of, "Storm")
"""Make an option of this panel; help shows panels in the order of their first options."""
of_tracer: Final = partial(_of, "Tracer")
of_consumer: Final = partial(_of, "Consumer")
of_guest: Final = partial(_of, "Guest")
of_run: Final = partial(_of, "Run")
of_output: Final = partial(_of, "Output")
_ARGUMENTS, _OTHERS = "Arguments", "Other options"
INTO_FOLDERS: Final = ("svg", "png")
"""Formats whose --output is a folder."""

TRANSPORTS: Final = ", ".join(names())
Journal = Annotated[
    Path | None, of_output("--output", help="Journal to write; results/NAME-TIME.jsonl by default.")
]
Seed = Annotated[int, of_run("--seed", help="Seed of the random order within blocks.")]
Wait = Annotated[bool, of_run("--wait", help="Wait until no other measurement runs.")]


def _gates() -> list[str]:
    from bench.campaign.gates import WHAT

    return [*WHAT, *(f"{name}:{what}" for what in WHAT for name in names())]


_GATES: Final = (
    "Exit 1 on drops (records lost) or causal (order violated); on one transport as "
    f"TRANSPORT:drops, with TRANSPORT one of {TRANSPORTS}. Separated by commas; repeatable."
)
Gates = Annotated[
    list[str] | None,
    of_output("--fail-on", help=_GATES, metavar="GATES", autocompletion=_gates),
]
Sources = Annotated[
    Path | None, of_run("--sources", help="Read this kernels.toml.", metavar="FILE")
]
DryRun = Annotated[
    bool, of_run("--dry-run", help="Print the plan and how long it takes; run nothing.")
]
AsJson = Annotated[bool, of_output("--json", help="Print one JSON document.")]
Append = Annotated[
    list[str] | None, of_guest(help="Kernel parameter, like preempt=full; repeatable.")
]
Emulate = Annotated[bool, of_guest("--emulate", help="Do not try KVM.")]
Full = Annotated[bool, of_output("--full", help="Show everything, not only the decision.")]


def format_option(*more: str) -> object:
    """Return --format, which accepts every renderer's name and ``more``; it implies --json."""
    forms = click.Choice([*renderers.names(), *more])
    return of_output("--format", click_type=forms, help="Output format.")


AsFormat = Annotated[str, format_option()]


def given(context: click.Context, *names: str) -> bool:
    """Return whether one of these options was given on the command line."""
    return ParameterSource.COMMANDLINE in map(context.get_parameter_source, names)


def refuse(context: click.Context, idle: bool, why: str, *names: str) -> None:
    """Raise UsageError for the first of these options that was given, if they are ``idle``."""
    for option in context.command.params if idle else ():
        if option.name in names and given(context, option.name):
            named = (
                option.opts[0] if isinstance(option, click.Option) else option.make_metavar(context)
            )
            raise UsageError(f"{named.strip('[]')} has no effect {why}", remedy="leave it out")


def need_output(resume: bool, output: Path | None, what: str = "folder") -> None:
    """Raise UsageError for --resume without the file or folder that it continues."""
    remedy = f"add --output {'FOLDER' if what == 'folder' else 'FILE'}"
    reject(resume and output is None, f"--resume needs the {what} to continue", remedy)


def each_once(option: str, values: list[_T] | None) -> list[_T]:
    """Return the values of a repeatable option; UsageError if two are the same."""
    values = values or []
    reject(len(set(values)) < len(values), f"{option} names one twice", "name each once")
    return values


class _InFull:
    """Summarise a command in a list by its whole first sentence."""

    help: str | None

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002
        """Return the first sentence of the help."""
        return " ".join((self.help or "").split("\n\n")[0].split())


class Suggesting(typer.core.TyperGroup):
    """Group commands, and suggest similar names for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, without click's and Typer's suggestions, which disagree."""
        known = self.list_commands(ctx)
        if args[0] in known or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        near = " or ".join(map(repr, get_close_matches(args[0], known)))
        hint = f". Did you mean {near}?" if near else ""
        raise click.UsageError(f"No such command {args[0]!r}{hint}", ctx)


class Group(_InFull, Suggesting):
    """Group commands, and read settings."""

    def invoke(self, ctx: click.Context) -> object:
        """Check which commands the settings name, then run the requested one."""
        settings.check_commands(ctx, tuple(self.commands))
        return super().invoke(ctx)


class Command(_InFull, typer.core.TyperCommand):
    """Group options in a command's help, and refuse repeated options.

    With --format it also accepts --json, which means --format json; ``target`` is the file that is
    written instead of the terminal.
    """

    def __init__(self, *arguments: Any, params: list[click.Parameter], **more: Any) -> None:
        names = [each.name for each in params]
        if "form" in names:
            at = names.index("form") + 1
            as_json = typer.core.TyperOption(
                param_decls=["--json", "as_json"],
                is_flag=True,
                default=False,
                help="The same as --format json.",
                rich_help_panel="Output",
            )
            params.insert(at + (names[at : at + 1] == ["full"]), as_json)
        super().__init__(*arguments, params=params, **more)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments, then options by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            if record := help_record(each, ctx):
                panels.setdefault(panel(each), []).append(record)
        if not panels.keys() - {_ARGUMENTS, _OTHERS}:
            panels["Options"] = panels.pop(_OTHERS)
        for name in sorted(panels, key=_OTHERS.__eq__):  # the others last
            with formatter.section(name):
                formatter.write_dl(panels[name])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse repeated options, then parse as click does, with settings as defaults."""
        if ctx.resilient_parsing:  # to complete a line that is not yet finished
            return super().parse_args(ctx, args)
        ctx.default_map = settings.check_options(ctx)
        with augment_usage_errors(ctx):  # the parser does not name the command
            typed, _, order = self.make_parser(ctx).parse_args(args=[*args])
        for each in self.params:
            empty = isinstance(each.type, click.Path) and "" in _several(typed.get(each.name or ""))
            argument = each.param_type_name == "argument"
            name = each.human_readable_name if argument else each.opts[0]
            # It would mean the working folder.
            reject(empty, f"{name} is empty", "name a file or a folder")
        for option, times in Counter(order).items():
            single = not getattr(option, "multiple", True) and not getattr(option, "is_flag", True)
            reject(times > 1 and single, f"{option.opts[0]} is given {times} times", "give it once")
        rest = super().parse_args(ctx, args)
        self._keep_what_is_read(ctx)
        if "form" in ctx.params:
            form = ctx.params["form"]
            if ctx.params.pop("as_json"):
                other = form not in ("text", "json")
                reject(other, f"--json contradicts --format {form}", "leave one out")
                ctx.params["form"] = form = "json"
            refuse(ctx, form != "text", f"with --format {form}", "full")
            target = ctx.params.get("target")
            lost = form == "text" and target is not None
            reject(lost, "--output does not write text", "redirect it, or use --format markdown")
            folder = target is not None and form not in INTO_FOLDERS and Path(target).is_dir()
            reject(folder, f"{target or '.'} is a folder", "name a file with --output")
        return rest

    def _keep_what_is_read(self, ctx: click.Context) -> None:
        """Raise UsageError where --output names a file that is also an argument."""
        output = ctx.params.get("target") or ctx.params.get("output")
        if not output or not os.path.isfile(output):  # noqa: PTH113  False where it may not look
            return
        for each in self.params:
            if each.param_type_name == "argument" and isinstance(each.type, click.Path):
                read = filter(os.path.isfile, _several(ctx.params[each.name or ""]))
                same = any(os.path.samefile(output, path) for path in read)  # noqa: PTH121
                reject(same, f"--output {output} would replace what is read", "choose another")


def _several(value: Any) -> list[Any]:
    """Return the values of a parameter, whether it takes one or several."""
    return [*value] if isinstance(value, list | tuple) else [] if value is None else [value]


def help_record(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """Return the help of a parameter; a default with a unit is shown as it would be typed."""
    record, default = parameter.get_help_record(context), parameter.default
    if record is None or default is None or not isinstance(parameter.type, Size | Time):
        return record
    typed = parameter.type.typed(default)
    return record[0], record[1].replace(f"[default: {default}]", f"[default: {typed}]")


def panel(parameter: click.Parameter) -> str:
    """Return the heading of a parameter in the help."""
    if parameter.param_type_name == "argument":
        return _ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or _OTHERS


def plain_app(cls: type[typer.core.TyperGroup] | None = None) -> typer.Typer:
    """Return an application without the features that make Typer slow to start."""
    return typer.Typer(
        cls=cls,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def group(about: str, commands: dict[str, Callable[..., None]]) -> typer.Typer:
    """Return an application of these commands by name; ``about`` is its help."""
    app = plain_app(Group)
    app.callback(help=about)(lambda: None)
    for name, command in commands.items():
        app.command(name, cls=Command)(command)
    return app
