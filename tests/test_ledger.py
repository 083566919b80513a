"""The ledger: whole objects or none, found again, never trusted blindly."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from made_calls import THEORY, attempt, record

from aldata.errors import LedgerError
from aldata.ledger import DamagedObject, Ledger


def test_a_record_comes_back_exactly(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    stored = record(0.1 + 0.2)
    assert ledger.find(stored.call_id) is None
    ledger.store(stored)
    found = ledger.find(stored.call_id)
    assert found == stored
    assert found.energy == -76.1 / 3
    assert found.configuration.configuration().id == stored.configuration_id
    assert ledger.missing(["f" * 64, stored.call_id]) == ["f" * 64]


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e3, 1e3))
def test_any_finite_number_survives(
    tmp_path_factory: pytest.TempPathFactory, energy: float, x: float
) -> None:
    ledger = Ledger(tmp_path_factory.getbasetemp() / "numbers")
    stored = record(x, energy=energy)
    ledger.store(stored)
    found = ledger.find(stored.call_id)
    assert found is not None
    assert found.energy == energy
    assert found.configuration.configuration().id == stored.configuration_id


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("-25.36", "-25.37"),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[1, 2]",
        lambda text: text.replace("accepted", "rejected"),
    ],
)
def test_a_damaged_object_is_set_aside_and_counts_as_missing(tmp_path: Path, damage) -> None:
    ledger = Ledger(tmp_path)
    stored = record()
    ledger.store(stored)
    (path,) = tmp_path.glob("calls/*/*.json")
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    with pytest.warns(DamagedObject, match=stored.call_id):
        assert ledger.find(stored.call_id) is None
    assert not path.exists()
    assert [p.read_text() for p in tmp_path.glob("damaged/*")] == [damage(text)]
    ledger.store(stored)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ledger.find(stored.call_id) == stored


def test_an_object_of_a_newer_aldata_is_not_touched(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.store(record())
    (path,) = tmp_path.glob("calls/*/*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(LedgerError, match="upgrade aldata"):
        ledger.find(record().call_id)
    assert path.exists()


def test_attempts_are_kept_and_interrupted_ones_known(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    identity = record().call_id
    ledger.add_attempt(identity, attempt(1, "running"))
    ledger.add_attempt(identity, attempt(2, "running"))
    ledger.add_attempt(identity, attempt(2, "crashed"))
    assert [a.outcome for a in ledger.attempts(identity)] == ["running", "crashed"]
    assert ledger.find(identity) is None


def test_the_mean_cost_counts_every_attempt(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.mean_cpu_seconds(THEORY.id) is None
    ledger.store(record(1.0))
    ledger.store(record(2.0, attempts=[attempt(1, "crashed", 1.0), attempt(2, cpu=3.0)]))
    ledger.store(record(3.0, status="failed", failure="not_converged", energy=None, forces=None))
    ledger.store(record(4.0, status="rejected", failure="forces_too_large"))
    assert ledger.mean_cpu_seconds(THEORY.id) == 2.5


CLAIM = """
import sys, time
from pathlib import Path
from aldata.ledger import Ledger
with Ledger(Path(sys.argv[1])).claim("a" * 64):
    with open(sys.argv[2], "a") as out: print("begin", file=out)
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[2], "a") as out: print("end", file=out)
"""


def claimant(folder: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(folder), str(folder / "log"), str(seconds)]
    )


def test_one_process_holds_a_claim_at_a_time(tmp_path: Path) -> None:
    processes = [claimant(tmp_path, 0.05) for _ in range(6)]
    assert [p.wait(60) for p in processes] == [0] * 6
    assert (tmp_path / "log").read_text().split() == ["begin", "end"] * 6
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_killed_process_holds_no_claim(tmp_path: Path) -> None:
    holder = claimant(tmp_path, 600)
    while not (tmp_path / "log").exists():
        time.sleep(0.02)
    holder.kill()
    holder.wait()
    assert list((tmp_path / "claims").iterdir()) != []  # the file is there, and claims nothing
    with Ledger(tmp_path).claim("a" * 64):
        pass


def test_too_little_space_is_found_before_the_calls(tmp_path: Path) -> None:
    Ledger(tmp_path).ready()
    with pytest.raises(LedgerError, match=r"free disk space") as caught:
        Ledger(tmp_path, minimum_free_bytes=10**18).ready()
    assert caught.value.where == str(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 64 kB that can be remounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_half_object(small_disk: Path) -> None:
    ledger = Ledger(small_disk, minimum_free_bytes=0)
    stored = []

    def fill() -> None:
        for number in range(100):
            ledger.store(record(float(number)))
            stored.append(record(float(number)).call_id)

    with pytest.raises(LedgerError, match=os.strerror(errno.ENOSPC)) as caught:
        fill()
    assert "calls that have ended are safe" in str(caught.value)
    assert stored
    assert sorted(p.stem for p in small_disk.glob("calls/*/*")) == sorted(stored)
    assert ledger.missing(stored) == []


LIMITED = """
import resource, sys
from pathlib import Path
from made_calls import record
from aldata.errors import LedgerError
from aldata.ledger import Ledger
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Ledger(Path(sys.argv[1])).store(record(1.0))
except LedgerError as problem:
    print(problem)
"""


def test_a_limit_on_file_sizes_leaves_no_half_object(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, *(p for p in sys.path if p)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert os.strerror(errno.EFBIG) in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_read_only_ledger_can_be_read(small_disk: Path) -> None:
    ledger = Ledger(small_disk, minimum_free_bytes=0)
    ledger.store(record())
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert ledger.find(record().call_id) == record()
    for act in (
        ledger.ready,
        lambda: ledger.store(record(1.0)),
        lambda: ledger.raw_folder("a" * 64, "x"),
        lambda: ledger.claim("a" * 64).__enter__(),
    ):
        with pytest.raises(LedgerError, match="cannot be written"):
            act()


def test_a_ledger_where_a_file_lies_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "ledger").ready()
