"""The structure of the code: layers, doors, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "mace", "mlflow", "pyscf", "dscribe", "dask", "distributed", "ase", "zarr")


def test_layers_and_doors() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("module", ["aldata.params", "aldata.cli.main", "aldata.ledger"])
def test_importing_settings_and_commands_is_cheap(module: str) -> None:
    script = f"import sys, {module}; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_drawers() -> None:
    drawers = {"utils", "common", "base", "core", "helpers", "misc", "manager"}
    found = [p for folder in ("aldata", "pipelines") for p in (ROOT / folder).rglob("*.py")]
    assert found
    assert [p for p in found if p.stem in drawers or p.parent.name in drawers] == []


def test_package_inits_run_nothing() -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr, ast.If)
    for path in (ROOT / "aldata").rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            is_lazy_import = isinstance(node, ast.FunctionDef) and node.name == "__getattr__"
            assert isinstance(node, allowed) or is_lazy_import, f"{path}: line {node.lineno}"
