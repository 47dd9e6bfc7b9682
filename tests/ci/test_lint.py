# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Lint the action, the component and the examples of docs/ci.md, as their users' linters do."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from ci_steps import ACTION, COMPONENT, ROOT, action, component

from bench.host import process

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
TEXT: Final = (ROOT / "docs/ci.md").read_text().replace("COMMIT", COMMIT)
BLOCKS: Final = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
WORKFLOWS: Final = [block for block in BLOCKS if "\njobs:\n" in block]
PIPELINES: Final = [block for block in BLOCKS if "\njobs:\n" not in block]


USER: Final = """\
on: [push]
permissions: {}
jobs:
  buffers:
    runs-on: ubuntu-24.04
    steps:
      - uses: ./bufbench
        id: measured
        with: @INPUTS@
      - run: ls "$FOLDER"
        env:
          FOLDER: ${{ steps.measured.outputs.@OUTPUT@ }}
"""
"""A workflow that gives the action all its inputs and uses what it puts out."""


def lint(*words: str | Path, cwd: Path | None = None) -> None:
    tools = Path(sys.prefix) / "bin"  # actionlint starts shellcheck
    done = process.run(
        [tools / words[0], *words[1:]], timeout_s=60, check=False, cwd=cwd, env={"PATH": str(tools)}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_the_action_has_its_schema() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION)


def test_the_component_has_gitlabs_schema(tmp_path: Path) -> None:
    specification, jobs = component({"source": "https://example.org/bufbench.git"}, COMMIT)
    files = [written(tmp_path / "spec.yml", specification), written(tmp_path / "jobs.yml", jobs)]
    lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", *files)


def test_nothing_can_be_injected_into_the_action_or_an_example(tmp_path: Path) -> None:
    workflows = [
        written(tmp_path / f".github/workflows/{at}.yml", block)
        for at, block in enumerate(WORKFLOWS)
    ]
    assert len(workflows) == 2
    lint("zizmor", "--offline", "--quiet", "--no-config", ACTION, *workflows)


def workflow(folder: Path, text: str) -> Path:
    """Write a workflow into a repository that has the action in ``bufbench``."""
    (folder / ".git").mkdir()  # actionlint looks for the repository's root
    written(folder / "bufbench/action.yml", ACTION.read_text())
    return written(folder / ".github/workflows/example.yml", text)


@pytest.mark.parametrize("block", WORKFLOWS)
def test_actionlint_finds_nothing_in_an_example(block: str, tmp_path: Path) -> None:
    lint("actionlint", workflow(tmp_path, block), cwd=tmp_path)


def test_actionlint_finds_the_actions_inputs_and_outputs(tmp_path: Path) -> None:
    inputs = json.dumps(dict.fromkeys(action()["inputs"], "x"))
    for output in (*action()["outputs"], "no-such"):
        folder = tmp_path / output
        folder.mkdir()
        path = workflow(folder, USER.replace("@INPUTS@", inputs).replace("@OUTPUT@", output))
        if output in action()["outputs"]:
            lint("actionlint", path, cwd=folder)
        else:
            with pytest.raises(AssertionError, match='"no-such" is not defined'):
                lint("actionlint", path, cwd=folder)


@pytest.mark.parametrize("block", WORKFLOWS)
def test_an_example_of_a_workflow_has_its_schema(block: str, tmp_path: Path) -> None:
    path = written(tmp_path / "example.yml", block)
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


@pytest.mark.parametrize("block", PIPELINES)
def test_an_example_of_a_pipeline_has_its_schema(block: str, tmp_path: Path) -> None:
    path = written(tmp_path / "example.yml", block)
    lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", path)


def test_examples_give_inputs_that_there_are() -> None:
    (step,) = yaml.safe_load(WORKFLOWS[0])["jobs"]["buffers"]["steps"]
    assert step["with"].keys() <= action()["inputs"].keys()
    assert len(WORKFLOWS[0].splitlines()) <= 11
    (included,) = yaml.safe_load(PIPELINES[0])["include"]
    specification, _ = component(included["inputs"], COMMIT)
    assert included["inputs"].keys() <= specification["spec"]["inputs"].keys()


def test_action_and_component_take_the_same_inputs_and_the_document_has_them() -> None:
    specification, jobs = component({"source": "x"}, COMMIT)
    inputs = specification["spec"]["inputs"]
    common = action()["inputs"].keys() - {"artifact"}
    assert common == inputs.keys() - {"source", "job", "stage", "tags", "image"}
    for name in common:
        assert action()["inputs"][name] == inputs[name]
        assert re.search(rf"^\| .*`{name}`", TEXT, re.MULTILINE), name
    taken = {f"INPUT_{name.upper().replace('-', '_')}" for name in common}
    (job,) = jobs.values()
    assert {name for name in job["variables"] if name.startswith("INPUT_")} == taken
    assert action()["runs"]["steps"][0]["env"].keys() == taken
    assert {*re.findall(r"INPUT_[A-Z_]+", (ROOT / ".ci/measure").read_text())} == taken


def test_values_come_to_a_shell_by_variables_alone() -> None:
    for step in action()["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    (job,) = [*yaml.safe_load_all(COMPONENT.read_text())][1].values()
    assert "$[[" not in "".join(job["script"])


@pytest.mark.slow
def test_the_shell_is_sound(tmp_path: Path) -> None:
    _, jobs = component({"source": "x"}, COMMIT)
    (job,) = jobs.values()
    scripts = [step["run"] for step in action()["runs"]["steps"] if "run" in step]
    scripts.append("\n".join(job["script"]))
    files = [
        written(tmp_path / f"{at}.sh", f"#!/bin/bash\n{script}\n")
        for at, script in enumerate(scripts)
    ]
    scripts_of_ours = [ROOT / "run", ROOT / ".ci/run", ROOT / ".ci/measure"]
    lint("shellcheck", "--severity=warning", *scripts_of_ours, *files)
