"""`aldata noise` as a user runs it: what it asks, what it keeps, and what `dvc repro` makes of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from conftest import EMT_TEST
from projects import BIN, Project, made
from scipy.stats import chi2

from aldata import audit, digest, store
from aldata.artifacts.documents import Manifest, Noise, Retraction
from aldata.artifacts.frames import Labels
from aldata.noise import NoiseFile

SIGMA_E, SIGMA_F = 4e-3, 3e-2
TESTS = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The seed of a metal whose labels have noise of known size: eight test frames."""
    folder = tmp_path_factory.mktemp("noisy")
    atoms = bulk("Au", "fcc", a=4.0, cubic=True)
    atoms.symbols[0] = "Cu"
    atoms.write(folder / "cell.xyz")
    settings = {
        "calculator": "trial_calculators.Noisy",
        "keywords": {
            "sigma_energy": SIGMA_E,
            "sigma_forces": SIGMA_F,
            "side": str(folder / "side"),
        },
        "tighter": {"sigma_energy": 0.0, "sigma_forces": 0.0, "seconds": 0.3},
    }
    oracle = {"name": "ase", "settings": settings, "sigma_energy": 1e-4, "sigma_forces": 2e-4}
    values = {"oracle": oracle, "seed.test": {**EMT_TEST, "frames": 8}}
    project = made(folder / "project", folder / "cell.xyz", values, 1)
    ok(project, "dvc", "repro", "record-seed")
    project.commit("seed")
    return project


def ok(project: Project, *command: str) -> str:
    """Run with the calculators of these tests in reach."""
    return project.ok(*command, PYTHONPATH=f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def computed(project: Project) -> list[str]:
    """One line per computation that ended, in the order in which they ended."""
    return (project.root.parent / "side").read_text().splitlines()


def kept(project: Project) -> list[Path]:
    return sorted((project.root / "noise").glob("*.json"))


def running_stages(text: str) -> set[str]:
    return {line.split("'")[1] for line in text.splitlines() if line.startswith("Running stage")}


@pytest.mark.slow
def test_a_measurement_reaches_labels_and_calibration_and_repeats_no_call(noisy: Project) -> None:
    before = computed(noisy)
    announced = ok(noisy, "aldata", "noise", "--dry-run")
    assert "tighter: 8 calls asked for, 8 of them new" in announced
    assert "repeats: 16 calls asked for, 16 of them new, about" in announced
    assert computed(noisy) == before
    assert kept(noisy) == []

    killed_in_the_middle(noisy, len(before))
    assert kept(noisy) == []
    assert len(computed(noisy)) > len(before) + 2
    ok(noisy, "aldata", "noise")
    lines = computed(noisy)
    # what a kill found in flight is asked again and may be noted twice, what had ended is not
    assert len(set(lines)) == len(set(before)) + 24
    assert len(noisy.ended_calls()) == len(set(lines))
    assert len(lines) <= len(set(lines)) + 2

    (path,) = kept(noisy)
    (measured,) = store.read_document(path, NoiseFile).measurements
    assert [row.generation for row in measured.frames] == 8 * ["seed"]
    assert measured.repeats.degrees_of_freedom == 16
    assert measured.repeats_theory.id == store.read_document(path, NoiseFile).theory_id
    low, high = chi2.interval(0.999, 16)
    assert low < 16 * (measured.repeats.sigma_energy / SIGMA_E) ** 2 < high
    low, high = chi2.interval(0.999, 8 * 3 * 4)
    assert measured.tighter is not None
    assert low < 8 * 3 * 4 * (measured.tighter.sigma_forces / SIGMA_F) ** 2 < high
    assert abs(measured.offset_energy_per_atom or 0) < 4 * SIGMA_E / 4 / 8**0.5

    content = path.read_bytes()
    again = ok(noisy, "aldata", "noise")
    assert "0 of them new" in again
    assert "holds this measurement already" in again
    assert path.read_bytes() == content
    assert computed(noisy) == lines

    # the rest of the project: a generation that is made after the measurement
    calls = set(noisy.ended_calls())
    stages = running_stages(ok(noisy, "dvc", "repro"))
    assert "seed" not in stages
    assert {"noise@g000", "label@g000"} <= stages
    noise = noisy.read(Noise, "g000")
    assert noise.sigma_forces == measured.sigma_forces
    assert noise.source.startswith("measured on 8 frames")
    assert noisy.read(Noise, "seed").source == "stated in params.yaml"
    labels = noisy.read(Labels, "g000")
    assert set(labels.sigma_forces) == {measured.sigma_forces}
    assert set(labels.sigma_energy) == {measured.sigma_energy}
    assert calls < set(noisy.ended_calls())
    selection = noisy.json("g000", "record/selection")
    assert selection["attributes"]["aleatoric"]["noise"]["sigma_forces"] == measured.sigma_forces
    assert selection["attributes"]["aleatoric"]["sigma_forces"] == max(2e-2, measured.sigma_forces)
    used = noisy.json("g000", "record/calibrate.activity")["used"]
    assert used["generations/g000/noise.json"] == noise.digest
    used = noisy.json("g000", "noise.activity")["used"]
    assert used[f"noise/{path.name}"] == digest.of_file(path)
    assert noisy.json("g000", "record/noise")["sigma_forces"] == measured.sigma_forces


def killed_in_the_middle(project: Project, done: int) -> None:
    """kill -9 of `aldata noise` once some of its calls have ended."""
    process = subprocess.Popen(
        [str(BIN / "aldata"), "noise"],
        cwd=project.root,
        env=project.environment(
            PYTHONPATH=f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 60
    while len(computed(project)) < done + 3:
        assert time.monotonic() < limit, "no call ended"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_history_keeps_the_noise_it_was_made_with(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    was = {name: project.read(Noise, name) for name in ("g000", "g001")}
    calls = project.ended_calls()
    text = project.ok("aldata", "noise", "--frames", "4")
    assert "emt has nothing tighter: it is exact but for rounding" in text
    assert "g000, g001 keep the noise they were made with" in text
    assert len(project.ended_calls()) == len(calls) + 8
    (path,) = kept(project)
    (measured,) = store.read_document(path, NoiseFile).measurements
    assert measured.sigma_forces < 1e-12
    assert measured.tighter is None
    assert measured.earlier_generations == ["g000", "g001"]
    after = project.ended_calls()
    spent = json.loads(project.ok("aldata", "ledger", "stats", "--json"))
    assert (spent["noise"]["calls"], spent["unused"]["calls"]) == (8, 0)
    assert spent["strategies"][0]["strategy"] == "aldata noise"
    asked = json.loads(
        project.ok("aldata", "ledger", "show", measured.frames[0].repeat_calls[0], "--json")
    )["asked"]
    assert [item["generation"] for item in asked] == [f"noise/{path.name}"]
    assert asked[0]["purpose"].startswith("repeat")
    rows = project.status()["generations"]
    assert [row["stale"] for row in rows] == [False, False]
    assert running_stages(project.ok("dvc", "repro")) == {"noise@g000", "noise@g001"}
    assert {name: project.read(Noise, name) for name in was} == was
    assert project.ended_calls() == after
    # by name a generation takes the newer noise: what depends on it runs again, and status says so
    document: dict[str, Any] = json.loads(path.read_text())
    document["measurements"][0]["earlier_generations"] = ["g000"]
    path.write_text(json.dumps(document))
    text = project.ok("aldata", "status")
    assert "g001 runs again from acquire: at most 8 new calls" in text
    assert "g000" not in text.partition("g001 runs again")[2]
    assert "noise@g001" in project.ok("dvc", "repro", "noise@g001")
    assert project.read(Noise, "g001").sigma_forces == measured.sigma_forces
    # the audit follows it, both ways
    graph = audit.Graph(audit.Index(project.root))
    found = audit.audit_model(graph, audit.found_model(graph, "g001"))
    rows = {row["call"]: row for row in found["calls"] if row["use"] == "noise"}
    repeats = {call for frame in measured.frames for call in frame.repeat_calls}
    assert repeats <= set(rows) <= repeats | {frame.call for frame in measured.frames}
    assert all(rows[call]["cpu_seconds"] > 0 and rows[call]["host"] for call in repeats)
    chosen = audit.selected(graph, [min(repeats)])
    (item,) = [i for i in audit.audit_calls(graph, chosen)["reached"] if i["checkpoint"]]
    assert (item["generation"], item["checkpoint"]["uses"]) == ("g001", {"noise": 1})
    assert noise_that_is_broken(project) == []
    document["measurements"][0]["sigma_forces"] *= 0.5
    path.write_text(json.dumps(document))
    (problem,) = noise_that_is_broken(project)
    assert "comes from the measurement" in problem


def noise_that_is_broken(project: Project) -> list[str]:
    """What `aldata verify` says of the generations' noise."""
    found = json.loads(project.run("aldata", "verify", "--json").stdout)
    assert found["checked"]["measured noise"] == 1
    return [i["problem"] for i in found["broken"] if i["where"].startswith("noise of g001")]


def test_what_cannot_be_measured_is_refused_before_any_call(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    calls = project.ended_calls()

    def refused(*options: str) -> str:
        done = project.run("aldata", "noise", *options)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        assert project.ended_calls() == calls
        assert kept(project) == []
        return done.stderr

    many = refused("--frames", "500")
    assert "accepted calls are too few to ask 500 of them again" in many
    path = project.root / "generations/g001/dataset.json"
    manifest = store.read_document(path, Manifest)
    call = next(entry.call for entry in manifest.entries if entry.status == "accepted")
    gone = manifest.model_copy(update={"retracted": [Retraction(call=call, reason="a test")]})
    store.write_document(path, gone)  # what was taken back is not asked again
    assert accepted_in(refused("--frames", "500")) == accepted_in(many) - 1
    few = refused("--frames", "20", "--generation", "g001")
    assert "at least 20 accepted calls" in few
    assert "or ask for fewer: --frames" in few
    assert "there is no generation 'g007'" in refused("--generation", "g007")
    assert "at least 3 frames and 1 repeat" in refused("--frames", "2")
    assert "at least 3 frames and 1 repeat" in refused("--repeats", "0")


def accepted_in(message: str) -> int:
    return int(re.findall(r"(\d+) accepted calls are too few", message)[0])


def test_an_oracle_without_tighter_settings_says_what_to_state(noisy: Project) -> None:
    original = (noisy.root / "params.yaml").read_text()
    noisy.set({"oracle.settings.tighter": None})
    places = f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = noisy.run("aldata", "noise", PYTHONPATH=places)
    (noisy.root / "params.yaml").write_text(original)
    assert done.returncode == 1
    assert "nobody said which keywords make trial_calculators.Noisy tighter" in done.stderr
    assert "oracle.settings.tighter" in done.stderr
