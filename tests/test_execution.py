"""Jobs on the processes of a Dask cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trial_jobs

from aldata.errors import InvalidParameters, LedgerError
from aldata.execution import ClusterSettings, open_cluster, run

TWO = ClusterSettings(workers=2)


@pytest.fixture(scope="module")
def runner():
    with open_cluster(TWO) as runner:
        yield runner


def test_results_in_order_from_other_processes_with_one_thread(runner) -> None:
    import os

    seen = []
    results = runner(
        trial_jobs.doubled, range(20), title="t", on_result=lambda i, r: seen.append((i, r[0]))
    )
    assert [value for value, _, _ in results] == [2 * x for x in range(20)]
    assert sorted(seen) == [(x, 2 * x) for x in range(20)]
    assert os.getpid() not in {pid for _, pid, _ in results}
    assert {threads for _, _, threads in results} == {"1"}


def test_an_error_reaches_the_caller_unchanged_and_the_cluster_lives_on(runner) -> None:
    with pytest.raises(LedgerError) as caught:
        runner(trial_jobs.fails_at_three, range(20), title="t")
    assert type(caught.value) is LedgerError
    assert caught.value.where == "/ledger"
    assert caught.value.next_step == "make room"
    assert runner(trial_jobs.fails_at_three, [1, 2], title="t") == [1, 2]


def test_jobs_may_start_processes(runner) -> None:
    assert runner(trial_jobs.starts_a_process, [1], title="t") == ["1 0"]


def test_a_killed_worker_costs_only_its_job_another_run(runner, tmp_path: Path) -> None:
    first, second = runner(
        trial_jobs.kills_its_worker_once, [tmp_path / "mark", tmp_path / "mark"], title="t"
    )
    for result in (first, second):
        killed, finished = result.split()
        assert killed != finished


def test_one_run_is_quiet_but_for_its_progress_bar(capfd: pytest.CaptureFixture[str]) -> None:
    assert [r[0] for r in run(trial_jobs.doubled, [1, 2, 3], TWO, title="doubling")] == [2, 4, 6]
    out, err = capfd.readouterr()
    assert out == ""
    lines = [line for line in err.replace("\r", "\n").splitlines() if line.strip()]
    assert lines
    assert all(line.startswith("doubling: ") for line in lines)


def test_without_jobs_no_process_is_started() -> None:
    unreachable = ClusterSettings(scheduler="tcp://127.0.0.1:1")
    assert run(trial_jobs.doubled, [], unreachable, title="t") == []


def test_settings_come_from_the_project_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALDATA_WORKERS", raising=False)
    assert ClusterSettings.load(tmp_path) == ClusterSettings()
    (tmp_path / ".aldata").mkdir()
    config = tmp_path / ".aldata" / "config.yaml"
    config.write_text("cluster:\n  workers: 3\nother: {}\n")
    assert ClusterSettings.load(tmp_path).processes == 3
    monkeypatch.setenv("ALDATA_WORKERS", "5")
    assert ClusterSettings.load(tmp_path).processes == 5
    monkeypatch.setenv("ALDATA_WORKERS", "many")
    with pytest.raises(InvalidParameters, match="ALDATA_WORKERS"):
        ClusterSettings.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster: {worker: 2}", "unknown name 'worker'; one of: .*scheduler, walltime, workers"),
        ("cluster: {workers: 0}", "greater than or equal to 1"),
        ("cluster: 3", "not a mapping"),
        ("[1, 2]", "not a mapping"),
        ("cluster: {", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named(
    tmp_path: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".aldata").mkdir()
    (tmp_path / ".aldata" / "config.yaml").write_text(text)
    monkeypatch.delenv("ALDATA_WORKERS", raising=False)
    with pytest.raises(InvalidParameters, match=message):
        ClusterSettings.load(tmp_path)
    monkeypatch.setenv("ALDATA_WORKERS", "2")
    with pytest.raises(InvalidParameters, match=r"config\.yaml"):
        ClusterSettings.load(tmp_path)


def test_importing_is_cheap() -> None:
    script = "import sys, aldata.execution; print({'dask', 'distributed', 'tqdm'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
