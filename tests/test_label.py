"""Labelling: what becomes a label, what does not and why, and what is never computed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from label_driver import SPRINGS, pairs, theory_of
from trial_calculators import FAR

from aldata import digest, execution
from aldata.artifacts.frames import Configurations, as_configurations, result_digest
from aldata.artifacts.schema import FAILURES, PURPOSES, STATUSES
from aldata.errors import (
    CallsFailed,
    InvalidInput,
    InvalidParameters,
    LedgerError,
    OracleUnavailable,
)
from aldata.execution import ClusterSettings, open_cluster
from aldata.label import (
    ORACLES,
    LabelSettings,
    Requests,
    Tally,
    expected_cost,
    expected_new,
    from_theory,
    isolated_atoms,
    label,
    resolve,
)
from aldata.label.versions import NUMBERS, VersionPolicy, counted
from aldata.ledger import DamagedObject, Ledger

NEAR = 0.5
AWAY = FAR + 1.0
"""Where the bad habits of the trial calculator come out."""


@pytest.fixture(scope="module")
def run():
    with open_cluster(ClusterSettings(workers=2)) as runner:
        yield partial(runner, title="label")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def side(tmp_path: Path) -> Path:
    """The file in which the trial calculator notes its computations."""
    return tmp_path / "side"


def computations(side: Path) -> list[float]:
    return [float(line.split()[1]) for line in side.read_text().splitlines()]


def refuse_to_run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    raise AssertionError(f"{len(jobs)} calls were about to be computed")


def test_labels_carry_results_and_why_they_exist(run, ledger: Ledger, side: Path) -> None:
    theory = theory_of(side)
    requests = Requests(
        configurations=pairs(0.0, 1.0, 2.0),
        purpose=np.array([PURPOSES.index(p) for p in ("acquired", "probe", "test")], np.uint8),
        trajectory=np.array([4, -1, 7], np.int32),
        sigma_energy=1e-4,
        sigma_forces=5e-4,
    )
    labels, facts = label(requests, theory, ledger, LabelSettings(), run)
    assert labels.accepted.all()
    assert labels.ids == requests.configurations.ids
    assert labels.attributes == {"theory_id": theory.id}
    assert labels.energy == pytest.approx(3 * [(1.1**2 + 0.1**2 - 1) ** 2 / 2])
    stretch = 1.1**2 + 0.1**2 - 1
    assert labels.forces[0] == pytest.approx(2 * stretch * np.array([1.1, 0.1, 0.0]))
    assert np.isnan(labels.stress).all()
    assert labels.trajectory.tolist() == [4, -1, 7]
    assert labels.purpose.tolist() == [0, 1, 4]
    assert labels.sigma_forces.tolist() == [5e-4] * 3
    expected = result_digest("accepted", labels.energy[0], labels.forces[:2], None)
    assert bytes(labels.result_digest[0]).hex() == expected
    assert [fact["call_id"] for fact in facts] == labels.call_ids
    assert all(fact["new"] and fact["host"] and fact["version"] for fact in facts)


def test_a_known_call_is_never_computed_again(run, ledger: Ledger, side: Path) -> None:
    theory = theory_of(side)
    first = Requests.of(pairs(0.0, 1.0, 0.0), "acquired")  # one of them twice
    assert expected_new(first, theory, ledger) == 2
    assert expected_cost(2, theory, ledger) is None
    labels, facts = label(first, theory, ledger, LabelSettings(), run)
    assert len(labels) == 3
    assert labels.energy[0] == labels.energy[2]
    assert len(facts) == 2
    assert sorted(computations(side)) == [0.0, 1.0]
    assert expected_new(first, theory, ledger) == 0
    again, facts = label(first, theory, ledger, LabelSettings(), refuse_to_run)
    assert again.digest == labels.digest
    assert not any(fact["new"] for fact in facts)
    assert expected_cost(10, theory, ledger) == pytest.approx(
        5 * sum(fact["cpu_seconds"] for fact in facts)
    )
    other = theory_of(side, seconds=0.001)
    assert expected_new(first, other, ledger) == 2  # another theory is another call


def one_bad(
    run, ledger: Ledger, side: Path, habit: str, **settings: Any
) -> tuple[dict[str, Any], Any]:
    """Label two good pairs and one that brings out `habit`; the fact of the bad one."""
    requests = Requests.of(pairs(NEAR, AWAY, NEAR + 1), "acquired")
    limits = LabelSettings(**settings)  # type: ignore[arg-type]
    labels, facts = label(requests, theory_of(side, habit=habit), ledger, limits, run)
    assert labels.accepted.tolist() == [True, False, True]
    assert np.isnan(labels.energy).tolist() == [False, True, False]
    assert np.isnan(labels.forces).all(axis=1).tolist() == [False] * 2 + [True] * 2 + [False] * 2
    assert STATUSES[labels.status[1]] == facts[1]["status"]
    assert FAILURES[labels.failure[1]] == facts[1]["failure"]
    return facts[1], labels


@pytest.mark.parametrize(
    ("habit", "status", "failure", "message"),
    [
        ("not_converge", "failed", "not_converged", "SCF not converged in 2 cycles"),
        ("answer_nan", "failed", "not_finite", "not finite"),
        ("pull_hard", "rejected", "forces_too_large", "the limit is 100"),
        ("push_all", "rejected", "net_force_too_large", "net force is 2 eV/A"),
    ],
)
def test_a_verdict_is_final(
    run, ledger: Ledger, side: Path, habit: str, status: str, failure: str, message: str
) -> None:
    fact, labels = one_bad(run, ledger, side, habit)
    assert (fact["status"], fact["failure"]) == (status, failure)
    assert message in fact["message"]
    record = ledger.find(fact["call_id"])
    assert record is not None
    assert (record.status, record.failure) == (status, failure)
    assert (record.energy is None) == (status == "failed")
    requests = Requests.of(pairs(NEAR, AWAY, NEAR + 1), "acquired")
    theory = theory_of(side, habit=habit)
    again, _ = label(requests, theory, ledger, LabelSettings(), refuse_to_run)
    assert again.digest == labels.digest


@pytest.mark.parametrize(
    ("habit", "failure", "message"),
    [
        ("segfault", "crashed", "exit code -11: Fatal Python error: Segmentation fault"),
        ("exit", "crashed", "exit code 3"),
        ("raise_anything", "crashed", "KeyError: 'Ga'"),
        ("exhaust_memory", "out_of_memory", "554 MiB"),
    ],
)
def test_a_crash_is_no_verdict_and_stops_no_other_call(
    run, ledger: Ledger, side: Path, habit: str, failure: str, message: str
) -> None:
    fact, _ = one_bad(run, ledger, side, habit)
    assert (fact["status"], fact["failure"]) == ("failed", failure)
    assert message in fact["message"]
    assert ledger.find(fact["call_id"]) is None
    assert [a.outcome for a in ledger.attempts(fact["call_id"])] == [failure] * 2
    one_bad(run, ledger, side, habit, retry={failure: 0})  # a later run tries again
    assert computations(side).count(AWAY) == 3
    assert computations(side).count(NEAR) == 1


def test_a_call_that_crashes_once_succeeds(run, ledger: Ledger, side: Path) -> None:
    requests = Requests.of(pairs(AWAY), "acquired")
    labels, _ = label(requests, theory_of(side, habit="crash_once"), ledger, LabelSettings(), run)
    assert labels.accepted.all()
    record = ledger.find(labels.call_ids[0])
    assert record is not None
    assert [a.outcome for a in record.attempts] == ["crashed", "conclusive"]
    assert record.attempts[0].exit_code == -9
    for attempt in record.attempts:  # the one that was killed as well
        folder = ledger.raw_folder(record.call_id, attempt.id)
        assert attempt.files is not None
        assert {"input.json": "input"}.items() <= {f.name: f.part for f in attempt.files}.items()
        assert [(f.bytes, f.sha256) for f in attempt.files] == [
            ((folder / f.name).stat().st_size, digest.of_file(folder / f.name))
            for f in attempt.files
        ]
        assert 10e6 < attempt.memory_peak_bytes < 1e9  # type: ignore[operator]
    assert record.cpu_seconds == sum(a.cpu_seconds for a in record.attempts)


def test_the_time_limit_ends_a_call_and_what_it_started(run, ledger: Ledger, side: Path) -> None:
    fact, _ = one_bad(run, ledger, side, "hang", time_limit=1.5)
    assert (fact["failure"], fact["message"]) == ("time_limit", "stopped after 1.5 s")
    assert fact["wall_seconds"] == pytest.approx(1.5, abs=0.5)
    assert ledger.find(fact["call_id"]) is None
    assert [a.outcome for a in ledger.attempts(fact["call_id"])] == ["time_limit"]
    for pid in side.with_name("hung").read_text().split():
        assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == "zombie"


def test_limits_are_judged_anew_without_a_call(run, ledger: Ledger, side: Path) -> None:
    one_bad(run, ledger, side, "pull_hard")
    requests = Requests.of(pairs(NEAR, AWAY, NEAR + 1), "acquired")
    theory = theory_of(side, habit="pull_hard")
    wide = LabelSettings(max_force=300.0)
    labels, _ = label(requests, theory, ledger, wide, refuse_to_run)
    assert labels.accepted.all()
    assert np.abs(labels.forces).max() > 199
    narrow = LabelSettings(max_force=0.1)
    labels, facts = label(requests, theory, ledger, narrow, refuse_to_run)
    assert not labels.accepted.any()
    assert {fact["failure"] for fact in facts} == {"forces_too_large"}


def test_a_hopeless_geometry_is_not_sent(ledger: Ledger, side: Path) -> None:
    good, close, lost = pairs(0.0), pairs(1.0), pairs(2.0)
    squeezed = close[0]
    squeezed.positions[1] = squeezed.positions[0] + [0.05, 0, 0]
    vanished = lost[0]
    vanished.positions[0, 0] = np.nan
    requests = Requests.of(as_configurations([squeezed, vanished]), "acquired")
    theory = theory_of(side)
    assert expected_new(requests, theory, ledger) == 0
    labels, facts = label(requests, theory, ledger, LabelSettings(), refuse_to_run)
    assert [fact["status"] for fact in facts] == ["rejected"] * 2
    assert [FAILURES[f] for f in labels.failure] == ["atoms_too_close", "not_finite"]
    assert "the limit is 0.5" in facts[0]["message"]
    assert ledger.missing(labels.call_ids) == labels.call_ids
    loose = LabelSettings(min_distance=0.01)
    assert expected_new(requests, theory, ledger, loose) == 1
    assert expected_new(Requests.of(good, "acquired"), theory, ledger) == 1


def test_what_an_attempt_said_is_kept(run, ledger: Ledger, side: Path) -> None:
    requests = Requests.of(pairs(AWAY), "acquired")
    theory = theory_of(side, habit="print_and_warn")
    labels, _ = label(requests, theory, ledger, LabelSettings(), run)
    record = ledger.find(labels.call_ids[0])
    assert record is not None
    (attempt,) = record.attempts
    assert attempt.warnings == ["UserWarning: grid is coarse"]
    folder = ledger.raw_folder(record.call_id, attempt.id)
    assert (folder / "printed.txt").read_text() == "below python\n"
    assert f"{AWAY + 1.1}" in (folder / "input.json").read_text()


def test_a_damaged_call_is_computed_again(run, ledger: Ledger, side: Path) -> None:
    requests = Requests.of(pairs(0.0), "acquired")
    theory = theory_of(side)
    labels, _ = label(requests, theory, ledger, LabelSettings(), run)
    (path,) = ledger.folder.glob("calls/*/*.json")
    path.write_text(path.read_text().replace('"energy":0.', '"energy":7.'))
    with pytest.warns(DamagedObject):
        again, facts = label(requests, theory, ledger, LabelSettings(), run)
    assert facts[0]["new"]
    assert again.digest == labels.digest
    assert len(computations(side)) == 2


def test_what_an_oracle_cannot_compute_is_refused_before_any_call(ledger: Ledger) -> None:
    requests = Requests.of(pairs(0.0), "acquired")
    with pytest.raises(InvalidInput, match=r"EMT has no parameters for atomic numbers \[2\]"):
        label(requests, resolve("emt", {}), ledger, LabelSettings(), refuse_to_run)
    assert not ledger.folder.exists()


def test_a_ledger_that_cannot_be_written_is_found_before_any_call(
    tmp_path: Path, side: Path
) -> None:
    (tmp_path / "ledger").write_text("")
    requests = Requests.of(pairs(0.0), "acquired")
    broken = Ledger(tmp_path / "ledger")
    with pytest.raises(LedgerError, match=r"cannot be (read|written)"):
        label(requests, theory_of(side), broken, LabelSettings(), refuse_to_run)
    full = Ledger(tmp_path / "full", minimum_free_bytes=10**18)
    with pytest.raises(LedgerError, match="MB of disk space are free"):
        label(requests, theory_of(side), full, LabelSettings(), refuse_to_run)


def test_isolated_atoms_have_the_spins_of_their_ground_states() -> None:
    atoms = isolated_atoms([8, 1, 6, 1, 7])
    assert atoms.numbers.tolist() == [1, 6, 7, 8]
    assert atoms.spin.tolist() == [1, 2, 3, 2]


def test_an_unknown_oracle_or_setting_is_named() -> None:
    names = ", ".join(ORACLES)
    with pytest.raises(InvalidParameters, match=rf"'pycsf'[^$]*one of: {names}"):
        resolve("pycsf", {})
    with pytest.raises(InvalidParameters, match=r"'functional'; one of: auxiliary_basis, basis"):
        resolve("pyscf", {"functional": "pbe"})
    with pytest.raises(OracleUnavailable, match="cannot be imported"):
        resolve("ase", {"calculator": "no_such_package.Calculator"})


@pytest.mark.parametrize(
    ("policy", "version"), [("major", "ase 2"), ("minor", "ase 3.0"), ("exact", "ase 3.25.99")]
)
def test_a_version_that_counts_is_another_theory(policy: VersionPolicy, version: str) -> None:
    theory = resolve("emt", {}, policy)
    from_theory(theory)
    older = theory.model_copy(update={"record": {**theory.record, "version": version}})
    with pytest.raises(OracleUnavailable, match=f"version {version}"):
        from_theory(older)
    assert older.id != theory.id


def test_how_much_of_a_version_counts() -> None:
    versions = "pyscf 2.8.0, dftd3 1.2.1.post3, xtb of unknown version"
    assert counted(versions, "major") == "pyscf 2, dftd3 1, xtb of unknown version"
    assert counted(versions, "minor") == "pyscf 2.8, dftd3 1.2, xtb of unknown version"
    assert counted(versions, "exact") == versions
    ids = {resolve("emt", {}, policy).id for policy in NUMBERS}
    assert len(ids) == len(NUMBERS)


def test_a_requests_columns_must_fit() -> None:
    with pytest.raises(InvalidInput, match="purpose has shape"):
        Requests(
            configurations=pairs(0.0),
            purpose=np.zeros(2, np.uint8),
            trajectory=np.zeros(1, np.int32),
        )


def test_the_trial_calculator_is_named_as_it_is_imported() -> None:
    assert (
        resolve("ase", {"calculator": SPRINGS, "keywords": {"side": ""}}).record["code"] == SPRINGS
    )


def test_what_may_be_retried_is_counted_by_class(run, ledger: Ledger, side: Path) -> None:
    for habit, failure, times in (("exit", "crashed", 3), ("exhaust_memory", "out_of_memory", 1)):
        fact, _ = one_bad(run, ledger, side, habit, retry={"crashed": 2, "out_of_memory": 0})
        assert [a.outcome for a in ledger.attempts(fact["call_id"])] == [failure] * times
    fact, _ = one_bad(run, ledger, side, "hang", time_limit=0.7, retry={"time_limit": 1})
    assert [a.outcome for a in ledger.attempts(fact["call_id"])] == ["time_limit"] * 2
    fact, _ = one_bad(run, ledger, side, "not_converge")  # a verdict: the same would come out
    assert [a.outcome for a in ledger.attempts(fact["call_id"])] == ["conclusive"]


def test_a_call_that_takes_its_workers_along_is_given_up(run, ledger: Ledger, side: Path) -> None:
    fact, _ = one_bad(run, ledger, side, "kill_the_worker", retry={"lost": 1})
    assert (fact["status"], fact["failure"]) == ("failed", "crashed")
    assert "2 times its worker was lost" in fact["message"]
    assert [a.outcome for a in ledger.attempts(fact["call_id"])] == ["running"] * 2


@pytest.mark.parametrize("habit", ["hoard", "hoard_elsewhere", "ask_for_too_much"])
def test_the_memory_limit_ends_a_call(run, ledger: Ledger, side: Path, habit: str) -> None:
    fact, _ = one_bad(run, ledger, side, habit, memory=0.9, time_limit=60.0, retry={})
    assert (fact["status"], fact["failure"]) == ("failed", "out_of_memory"), fact["message"]
    assert fact["wall_seconds"] < 50
    assert {a.outcome for a in ledger.attempts(fact["call_id"])} == {"out_of_memory"}


def test_cores_are_threads(run, ledger: Ledger, side: Path) -> None:
    requests = Requests.of(pairs(AWAY), "acquired")
    theory = theory_of(side, habit="tell_threads")
    label(requests, theory, ledger, LabelSettings(cores=2), run)
    assert side.with_name("threads").read_text() == "2"


def test_an_energy_far_from_the_isolated_atoms_is_inconsistent(
    run, ledger: Ledger, side: Path
) -> None:
    requests = Requests.of(pairs(NEAR, NEAR + 1), "acquired")
    theory = theory_of(side)
    fits, _ = label(requests, theory, ledger, LabelSettings(), run, isolated={2: 1.0})
    assert fits.accepted.all()
    labels, facts = label(
        requests, theory, ledger, LabelSettings(), refuse_to_run, isolated={2: 30.0}
    )
    assert [FAILURES[f] for f in labels.failure] == ["inconsistent"] * 2
    assert "atomisation energy is -29.99 eV per atom" in facts[0]["message"]
    assert np.isnan(labels.energy).all()
    wide = LabelSettings(energy_range=(-40.0, 0.0))
    again, _ = label(requests, theory, ledger, wide, refuse_to_run, isolated={2: 30.0})
    assert again.digest == fits.digest
    other, _ = label(requests, theory, ledger, wide, refuse_to_run, isolated={1: 1e9})
    assert other.digest == fits.digest  # without the element's energy nothing is judged


def test_energies_are_judged_by_the_isolated_atoms_of_the_same_run(
    run, ledger: Ledger, side: Path
) -> None:
    atoms, molecules = isolated_atoms([2]), pairs(AWAY)
    requests = Requests(
        configurations=Configurations.concatenate([atoms, molecules], {}),
        purpose=np.array([PURPOSES.index("isolated_atom"), PURPOSES.index("test")], np.uint8),
        trajectory=np.full(2, -1, np.int32),
    )
    theory = theory_of(side, habit="fall_deep")
    labels, _ = label(requests, theory, ledger, LabelSettings(), run)
    assert [FAILURES[f] for f in labels.failure] == ["none", "inconsistent"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_loses_too_many_calls_stops_and_says_why(
    ledger: Ledger, side: Path, workers: int
) -> None:
    limits = LabelSettings(max_failed=0.3, retry={"crashed": 0})

    def counted(tally: Tally) -> Any:
        """A runner wired to a tally."""
        reports = {"on_result": tally.ended, "remarks": tally.remarks}
        settings = ClusterSettings(workers=workers)
        return partial(execution.run, settings=settings, title="label", **reports)

    tally = Tally(limits)
    runner = counted(tally)
    requests = Requests.of(pairs(NEAR, *(AWAY + i for i in range(10)), NEAR + 1), "acquired")
    theory = theory_of(side, habit="not_converge", seconds=0.2)
    with pytest.raises(CallsFailed) as caught:
        label(requests, theory, ledger, limits, runner, tally=tally)
    text = str(caught.value)
    assert "4 of 12 calls failed, label.max_failed allows a share of 0.3" in text
    assert "4 not_converged, such as: SCF not converged in 2 cycles" in text
    assert "label.max_failed: 1.0" in text
    folder = Path(text.partition("files: ")[2].splitlines()[0])
    assert (folder / "input.json").exists()
    assert 5 <= len(computations(side)) < 12  # the rest was not paid for
    again = Tally(limits)
    # calls in flight when the run stopped have ended since: what is known counts at once
    known = sum(record.status == "failed" for record in ledger.records())
    with pytest.raises(CallsFailed, match=rf"^\D*{known} of 12"):
        label(requests, theory, ledger, limits, refuse_to_run, tally=again)
    on = LabelSettings(max_failed=1.0)
    tally = Tally(on)
    labels, _ = label(requests, theory, ledger, on, counted(tally), tally=tally)
    assert labels.accepted.sum() == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"retry": {"not_converged": 1}}, "unknown name 'retry.not_converged'; one of: crashed"),
        ({"retry": {"crashed": -1}}, "greater than or equal to 0"),
        ({"memory": -1.0}, "greater than 0"),
        ({"cores": 0}, "greater than or equal to 1"),
        ({"max_failed": 1.5}, "less than or equal to 1"),
        ({"energy_range": [5.0, -5.0]}, "the lower limit comes first"),
    ],
)
def test_a_wrong_limit_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        LabelSettings.checked(changes, where="params.yaml: label")
