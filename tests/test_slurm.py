"""A real SLURM: calls run in its jobs, are the same calls, and leave nothing in the queue."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import codes
import psutil
import pytest
import slurm_daemons
import trial_jobs
from ase.build import bulk
from conftest import EMT_TEST
from label_driver import pairs, theory_of
from projects import made
from slurm_daemons import Slurm
from slurm_driver import CLUSTER

from aldata.artifacts.frames import Labels, as_configurations
from aldata.errors import ClusterFailed
from aldata.execution import ClusterSettings, run
from aldata.label import LabelSettings, Requests, label, resolve
from aldata.label.oracles.trials import TRIALS
from aldata.ledger import Ledger

NUMBER = 12


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    reason = slurm_daemons.why_not()
    if reason:
        pytest.skip(reason)
    with slurm_daemons.running(tmp_path_factory.mktemp("slurm") / "daemons") as slurm:
        yield slurm


@pytest.fixture
def here(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with SLURM's programs at hand."""
    monkeypatch.chdir(tmp_path)
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def driver(folder: Path, seconds: float, number: int = NUMBER, **changes: Any) -> Any:
    script = Path(__file__).with_name("slurm_driver.py")
    path = os.pathsep.join([str(script.parent), *(p for p in sys.path if p)])
    return subprocess.Popen(
        [sys.executable, script, folder, str(number), str(seconds), json.dumps(changes)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: Any) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def wait(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until it holds; how long that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, what
        time.sleep(0.1)
    return time.monotonic() - begun


def ended(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("ledger/calls/*/*.json")}


def local_digest(folder: Path) -> str:
    """Digest of the same labels, computed on this machine."""
    requests = Requests.of(pairs(*(i / 8 for i in range(NUMBER))), "acquired")
    theory = theory_of(folder / "side", 0.3)
    runner = partial(run, settings=ClusterSettings(workers=2), title="label")
    labels, _ = label(requests, theory, Ledger(folder / "local"), LabelSettings(), runner)
    return labels.digest


def test_a_cancelled_job_is_survived_and_labels_are_those_of_a_local_run(
    slurm: Slurm, here: Path
) -> None:
    process = driver(here, 0.3)
    wait(lambda: len(ended(here)) >= 3, 60, "no call ended")
    first = slurm.jobs()
    assert len(first) == 2
    slurm.ask("scancel", first[0])
    found = result(process)
    assert found["digest"] == local_digest(here)
    ledger = Ledger(here / "ledger")
    records = [ledger.find(fact["call_id"]) for fact in found["facts"]]
    jobs = {record.attempts[-1].scheduler_job for record in records if record}
    assert set(first) <= jobs
    noted = [line.split()[1] for line in (here / "side").read_text().splitlines()]
    assert len(noted) <= 2 * NUMBER + 1  # once here, once there, and the one that was killed
    wait(lambda: not slurm.jobs(), 10, "jobs were left behind")
    assert not list((here / ".aldata" / "jobs").iterdir())  # logs stay where a run failed


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_driver_that_dies_leaves_no_job(slurm: Slurm, here: Path, how: signal.Signals) -> None:
    process = driver(here, 0.5, workers=4)  # the node has room for two: two wait
    wait(lambda: len(ended(here)) >= 2, 60, "no call ended")
    assert len(slurm.jobs()) == 4
    process.send_signal(how)
    process.communicate(timeout=30)
    took = wait(lambda: not slurm.jobs(), 30, "jobs were left behind")
    assert took < 15
    before = len((here / "side").read_text())
    time.sleep(1.0)
    assert len((here / "side").read_text()) == before, "a call goes on without its driver"


@pytest.mark.slow
def test_jobs_end_by_themselves_when_the_driver_is_gone(slurm: Slurm, here: Path) -> None:
    """Also without the janitor, which a machine that loses its power takes along."""
    process = driver(here, 0.5)
    wait(lambda: len(ended(here)) >= 2, 60, "no call ended")
    assert janitors()
    for janitor in janitors():
        os.kill(janitor, signal.SIGKILL)
    process.kill()
    process.communicate(timeout=30)
    took = wait(lambda: not slurm.jobs(), 40, "jobs were left behind")
    assert took < 35


def janitors() -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-1:] == ["scancel"]:
                found.append(process.pid)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queue": "nowhere"}, r"the queue refuses a job(.|\n)*invalid partition"),
        ({"interface": "nothing0"}, "no scheduler can be started here"),
        ({"prologue": ["exit 7"], "lost_workers": 1}, "2 workers were lost"),
        (
            {"prologue": ["module_is_no_command load qe", "exit 1"], "lost_workers": 0},
            "module_is_no_command: command not found",
        ),
    ],
)
def test_what_cannot_work_is_one_clear_error(
    slurm: Slurm, here: Path, changes: dict[str, Any], message: str
) -> None:
    settings = ClusterSettings.checked({**CLUSTER, "workers": 1, **changes}, where="test")
    with pytest.raises(ClusterFailed, match=message):
        run(trial_jobs.doubled, [1, 2], settings, title="t")
    wait(lambda: not slurm.jobs(), 10, "jobs were left behind")


@pytest.mark.slow
def test_adaptive_and_several_workers_in_a_job(slurm: Slurm, here: Path) -> None:
    settings = ClusterSettings.checked(
        {**CLUSTER, "workers": None, "adaptive": {"maximum": 2}, "cores": 2}, where="test"
    )
    found = run(trial_jobs.doubled, range(8), settings, title="t")
    assert [value for value, _, _ in found] == [2 * x for x in range(8)]
    assert {threads for _, _, threads in found} == {"1"}


@pytest.mark.slow
def test_a_whole_project_labels_through_slurm(slurm: Slurm, tmp_path: Path) -> None:
    """dvc repro of a label stage: the same labels as here, computed in jobs of the queue."""
    atoms = bulk("Au", "fcc", a=4.0, cubic=True)
    atoms.symbols[0] = "Cu"
    atoms.write(tmp_path / "cell.xyz")
    values = {"oracle": {"name": "emt", "settings": {}}, "seed.test": {**EMT_TEST, "frames": 2}}
    digests, jobs = [], []
    for name, environment in (("here", {}), ("there", queue_environment(slurm))):
        project = made(tmp_path / name, tmp_path / "cell.xyz", values, 1)
        project.ok("dvc", "repro", "label@g000", **environment)
        labels = project.read(Labels, "g000")
        assert labels.accepted.all()
        digests.append(labels.digest)
        ledger = Ledger(project.root / ".aldata" / "ledger")
        records = [ledger.find(call) for call in labels.call_ids]
        jobs.append({r.attempts[-1].scheduler_job for r in records if r})
    assert digests[0] == digests[1]
    assert jobs[0] == {None}
    assert None not in jobs[1]
    wait(lambda: not slurm.jobs(), 10, "jobs were left behind")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["espresso", "pyscf"])
def test_a_real_code_labels_through_slurm(here: Path, name: str) -> None:
    """Quantum ESPRESSO, a program in a Python of its own, and PySCF: the same labels as here."""
    settings, trial = TRIALS[name]
    if name == "espresso":
        config = {"codes": {"espresso": codes.pw_x()}}
        (here / ".aldata").mkdir(exist_ok=True)
        (here / ".aldata" / "config.yaml").write_text(json.dumps(config))
    theory = resolve(name, settings)
    moved = replace(trial, positions=trial.positions + 0.01)
    requests = Requests.of(as_configurations([trial, moved]), "acquired")
    local, queued = ClusterSettings(workers=1), ClusterSettings.checked(CLUSTER, where="test")
    digests, jobs = [], []
    for kind, cluster in (("local", local), ("slurm", queued)):
        ledger = Ledger(here / kind)
        runner = partial(run, settings=cluster, title="label")
        labels, _ = label(requests, theory, ledger, LabelSettings(), runner)
        assert labels.accepted.all()
        records = [ledger.find(call) for call in labels.call_ids]
        jobs.append({r.attempts[-1].scheduler_job for r in records if r})
        digests.append(labels.digest)
    assert digests[0] == digests[1]
    assert jobs[0] == {None}
    assert None not in jobs[1]


def queue_environment(slurm: Slurm) -> dict[str, str]:
    """Labels in the queue, all else here."""
    return {**slurm.environment, "ALDATA_CLUSTER": json.dumps(CLUSTER), "ALDATA_WORKERS": "2"}


@pytest.mark.slow
def test_a_job_that_ends_at_its_wall_time_is_survived(slurm: Slurm, here: Path) -> None:
    """SLURM ends jobs some time after their limit of a minute: calls go on in new jobs."""
    process = driver(here, 8.0, number=24, walltime="00:01:00")
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    facts = json.loads(out)["facts"]
    assert all(fact["status"] == "accepted" for fact in facts)
    assert slurm.jobs("TIMEOUT")
