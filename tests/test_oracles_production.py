"""GPAW, CP2K and ABINIT as a machine that computes has them: installed, then checked on silicon.

    python -m pytest -m slow tests/test_oracles_production.py

Installs what is missing (apt as root; GPAW by pip, which compiles it) and skips with a reason where it
cannot. Each code's forces and stress are compared with finite differences of its own energy, so that
a sign, a unit or the order of the stress components cannot be wrong unseen. Once they are installed,
the contract in tests/test_oracles.py holds for them in the default run as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import codes
import numpy as np
import pytest
from oracle_examples import EXAMPLES, STEP, STRAIN, STRESSES, direction_of, moved, strained

from aldata.cli.main import main
from aldata.label import Answer, Oracle, OracleFailure, from_theory, resolve

pytestmark = pytest.mark.slow


def gpaw_of_debian() -> str:
    codes.installed(["gpaw", "gpaw-data", "python3-ase"], "gpaw")
    return "/usr/bin/python3"


COMMANDS = {
    "abinit": lambda: codes.installed(["abinit"], "abinit"),
    "cp2k": lambda: codes.installed(["cp2k", "cp2k-data"], "cp2k.psmp", "cp2k"),
    "gpaw": lambda: str(codes.environment("gpaw")),
    "gpaw of Debian": gpaw_of_debian,
}


@pytest.fixture(scope="module", params=list(COMMANDS))
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """Name of an oracle whose code is installed now."""
    oracle = request.param.split()[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"ALDATA_{oracle.upper()}", COMMANDS[request.param]())
        yield oracle


@pytest.fixture(scope="module")
def oracle(name: str) -> Oracle:
    return from_theory(resolve(name, EXAMPLES[name].settings))


@pytest.fixture(scope="module")
def answer(name: str, oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    return oracle.label(EXAMPLES[name].good, tmp_path_factory.mktemp("answer"))


def energy(oracle: Oracle, configuration: object, folder: Path) -> float:
    folder.mkdir()
    return oracle.label(configuration, folder).energy  # type: ignore[arg-type]


def test_forces_and_stress_are_derivatives_of_the_energy(
    name: str, oracle: Oracle, answer: Answer, tmp_path: Path
) -> None:
    example = EXAMPLES[name]
    good = example.good
    up, down = (energy(oracle, moved(good, s), tmp_path / f"moved {s}") for s in (1, -1))
    along = float((answer.forces * direction_of(good)).sum())
    rows = [("force", -(up - down) / (2 * STEP), along)]
    volume = abs(np.linalg.det(good.cell))
    assert answer.stress is not None
    for component, directions in STRESSES.items():
        up, down = (
            energy(oracle, strained(good, directions, s), tmp_path / f"{component} {s}")
            for s in (1, -1)
        )
        slope = (up - down) / (2 * STRAIN) / volume
        rows.append((f"stress {component}", slope, answer.stress[component]))
    for what, measured, given in rows:
        print(f"{name} {what}: {given:.6f}, by finite differences {measured:.6f}")
    (_, measured, given), *stresses = rows
    assert measured == pytest.approx(given, rel=2e-3, abs=2 * example.noise)
    for _, measured, given in stresses:
        assert measured == pytest.approx(given, rel=1e-3, abs=example.stress)
        assert abs(measured) > 3 * example.stress, "too small to tell its sign"


def test_what_does_not_converge_is_no_label(name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    starved = from_theory(resolve(name, {**example.settings, **(example.starved or {})}))
    with pytest.raises(OracleFailure) as caught:
        starved.label(example.good, tmp_path)
    assert caught.value.failure == "not_converged"


def test_doctor_tries_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    code = main(["doctor", "--oracle", name, "--run", "--json"])
    found = {f["what"]: f for f in json.loads(capsys.readouterr().out)}
    assert code == 0, found
    assert "largest force" in found["calculation of 2 atoms"]["said"]


def test_it_runs_beside_packages_of_another_python(name: str, tmp_path: Path) -> None:
    """A call's process finds its modules by PYTHONPATH, which must not reach a code's own Python."""
    script = (
        "import sys; sys.path[:0] = sys.argv[2].split(':')\n"
        "from pathlib import Path\n"
        "from oracle_examples import EXAMPLES\n"
        "from aldata.label import from_theory, resolve\n"
        "example = EXAMPLES[sys.argv[1]]\n"
        "oracle = from_theory(resolve(example.name, example.settings))\n"
        "print(oracle.label(example.good, Path.cwd()).energy)\n"
    )
    path = ":".join(p for p in sys.path if p)

    done = subprocess.run(
        [sys.executable, "-c", script, name, path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 0
