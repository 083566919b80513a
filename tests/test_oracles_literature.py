"""A label of the oracle pyscf against a published one of another code, at the same level of theory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aldata.label import from_theory, resolve

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import literature  # noqa: E402 (a script, not a part of the package)


@pytest.mark.slow
@pytest.mark.skipif(
    not (literature.DATA / literature.FILE).exists(), reason="acetylacetone data is not there"
)
def test_pyscf_reproduces_published_forces_of_orca() -> None:
    """About 35 s: forces to 2 meV/A, which a missing dispersion correction would spoil."""
    (frame,) = literature.published(literature.DATA, 1)
    row = literature.compared(from_theory(resolve("pyscf", literature.SETTINGS)), frame)
    assert row.rms < 2e-3
    assert row.rms_without_d3 > 4e-3
    assert row.computed == pytest.approx(row.published, abs=1e-2)
