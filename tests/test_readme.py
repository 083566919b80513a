"""The README: every block of commands is run here, or says why not; names and files in it exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aldata.cli.main import parser

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"(<!--.*?-->)?\n```bash\n(.*?)```", TEXT, flags=re.DOTALL)


def _commands(block: str) -> list[str]:
    return [line.split("#")[0].strip() for line in block.splitlines() if line.split("#")[0].strip()]


def test_every_block_is_run_or_says_why_not() -> None:
    assert len(BLOCKS) >= 3
    for reason, block in BLOCKS:
        assert "run by tests/" in reason or "not run" in reason, block


def test_the_first_steps_as_written(tmp_path: Path) -> None:
    block = next(text for reason, text in BLOCKS if "run by tests/test_readme.py" in reason)
    commands = _commands(block)
    assert commands[-1] == "dvc repro"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    script = "\n".join(["set -e", *[c for c in commands[:-1] if not c.startswith("source")]])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "g003" in done.stdout
    assert "planned" in done.stdout


@pytest.mark.parametrize("block", [text for _, text in BLOCKS])
def test_commands_and_targets_exist(block: str) -> None:
    for command in _commands(block):
        words = command.split()
        if words[0] == "aldata":
            known = parser().parse_args(words[1:])
            assert known.command == words[1]
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        else:
            assert words[0] in {"cd", "source", "git", "dvc", "mlflow"}, command


def test_linked_files_exist() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
