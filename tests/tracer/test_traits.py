# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test traits: a transport is one file, and nothing else compares its name."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from made_up_trials import blocks
from rendered import text_and_page

import bench
from bench.host import process
from bench.plan.traits import GREY
from bench.report.figure import look
from bench.tracer import transports
from bench.tracer.transports import find, names, ranked, traits

BENCH: Final = Path(bench.__file__).parent
COLOUR: Final = "#123456"
TOY: Final = f'''
from bench.plan.traits import Look
from bench.tracer.transport import Transport

class Toy(Transport):
    def allocated(self, request): ...
    def open(self, program, capture, request): ...

TRANSPORT = Toy(
    name="toy", title="the toy buffer", short="toy", variant="ringbuf", calls=True,
    look=Look(colour="{COLOUR}", dark="#abcdef", shape="circle", dash=(1, 0)),
)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toy.py").write_text(TOY)
    return tmp_path


@pytest.fixture
def toy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(transports, "__path__", [*transports.__path__, str(folder)])
    names.cache_clear()
    yield
    monkeypatch.undo()
    names.cache_clear()
    sys.modules.pop("bench.tracer.transports.toy", None)


def python(code: str) -> process.Completed:
    return process.run([sys.executable, "-c", code], timeout_s=60, check=False)


def literals(node: ast.AST) -> set[str]:
    """Return the transports' names within a literal, or at the beginning of one."""
    texts = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
    found = {text for text in texts if isinstance(text, str)}
    return {text for text in found if text.partition("@")[0] in names()}


def compared(tree: ast.AST) -> Iterator[int]:
    """Yield lines that compare a transport's name with a literal, or look something up by it."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                held = [left, *others]
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith"), args=held):
                pass
            case ast.Dict(keys=keys):
                held = [key for key in keys if key is not None]
            case ast.MatchValue(value=value) | ast.Subscript(slice=value):
                held = [value]
            case ast.Call(func=ast.Name(id="frozenset" | "set"), args=held):
                pass
            case _:
                continue
        if any(literals(each) for each in held):
            yield node.lineno  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        'x = name == "ringbuf"',
        'x = name in ("perfbuf", "sharded")',
        'x = arm.startswith("ringbuf@")',
        'x = {"perfbuf": 1}',
        'x = frozenset({"perfbuf"})',
        'match name:\n    case "sharded":\n        pass',
        'x = looks["ringbuf"]',
    ],
)
def test_a_comparison_is_found(code: str) -> None:
    assert list(compared(ast.parse(code)))


def test_no_other_room_compares_a_transport_s_name() -> None:
    found = [
        f"{path.relative_to(BENCH)}:{line}"
        for path in sorted(BENCH.rglob("*.py"))
        if path.relative_to(BENCH).parts[0] != "tracer"
        for line in compared(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_traits_need_neither_bcc_nor_numpy_nor_the_extension() -> None:
    done = python(
        "import sys\n"
        "from bench.tracer.transports import find, names\n"
        "assert len([find(name) for name in names()]) >= 3\n"
        "heavy = {'bcc', 'numpy', 'psutil', 'bench.tracer.capture'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr


def test_every_transport_has_a_name_a_title_and_a_look_of_its_own() -> None:
    found = [find(name) for name in names()]
    assert [each.name for each in found] == list(names())
    for values in ({each.title for each in found}, {each.short for each in found},
                   {each.look for each in found}, {each.rank for each in found}):  # fmt: skip
        assert len(values) == len(found)
    assert GREY not in {each.look for each in found}


def test_a_name_that_only_a_journal_knows_has_neutral_traits() -> None:
    stranger = traits("../stranger")
    assert (stranger.title, stranger.short, stranger.look) == ("../stranger", "../stranger", GREY)
    assert look("../stranger") == GREY
    assert ranked(["zebra", "sharded", "perfbuf", "ant", "ringbuf"]) == (
        "ringbuf", "perfbuf", "sharded", "ant", "zebra",
    )  # fmt: skip


@pytest.mark.usefixtures("toy")
def test_a_toy_of_one_file_is_listed_and_reported() -> None:
    assert "toy" in names()
    trials = [
        *blocks("toy@64KiB", [{"dropped": 3}] * 8),
        *blocks("perfbuf@64KiB", [{"dropped": 90}] * 8),
    ]
    report, page = text_and_page(*trials)
    for text in (report, page):
        assert "the toy buffer dropped less than the perf buffers" in text
    assert page.count(COLOUR) > 5
    assert "#abcdef" in page


@pytest.mark.parametrize("command", ["run", "size", "trace"])
def test_a_toy_of_one_file_can_be_chosen(folder: Path, command: str) -> None:
    code = (
        "from bench.tracer import transports\n"
        f"transports.__path__.append({str(folder)!r})\n"
        "import sys\n"
        f"sys.argv = ['bufbench', {command!r}, '--help']\n"
        "from bench.cli import main; main()"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "overwrite, perfbuf, ringbuf, sharded, toy" in " ".join(done.stdout.split())
