"""Jobs on the processes of a Dask cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest
import trial_jobs

from aldata.errors import ClusterFailed, InvalidParameters, LedgerError
from aldata.execution import ClusterSettings, Needs, open_cluster, run
from aldata.execution.kinds import KINDS, job_scripts
from aldata.execution.kinds.far import shared_folder
from aldata.execution.kinds.queues import QUEUES
from aldata.execution.progress import Progress
from aldata.params.reference import table

TWO = ClusterSettings(workers=2)


@pytest.fixture(scope="module")
def runner():
    with open_cluster(TWO) as runner:
        yield runner


def test_results_in_order_from_other_processes_with_one_thread(runner) -> None:
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


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ({"kind": "slrum"}, "'local', 'scheduler', 'slurm'"),
        ({"kind": "slurm"}, "needs workers or adaptive"),
        ({"kind": "slurm", "workers": 2, "adaptive": {"maximum": 3}}, "exclude each other"),
        ({"kind": "slurm", "adaptive": {"minimum": 3, "maximum": 2}}, "minimum 3 > maximum 2"),
        ({"kind": "slurm", "workers": 2, "memory": -4}, "greater than 0"),
        ({"kind": "slurm", "workers": 2, "walltime": "12 hours"}, "hh:mm:ss"),
        ({"kind": "slurm", "workers": 2, "walltime": "00:90:00"}, "hh:mm:ss"),
        ({"kind": "scheduler"}, "need each other"),
        ({"scheduler": "host:8786"}, "should match pattern"),
        ({"kind": "local", "scheduler": "tcp://host:8786"}, "need each other"),
        ({"queue": "main"}, "'queue' is for job queues, not for 'local'"),
    ],
)
def test_what_does_not_fit_the_kind_is_named(cluster: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        ClusterSettings.checked(cluster, where="config.yaml: cluster")


def test_a_wall_time_may_be_what_yaml_makes_of_it() -> None:
    for written in ("12:30:00", 45000, "0-12:30:00"):
        settings = ClusterSettings(kind="pbs", workers=1, walltime=written)
        assert settings.walltime_seconds == 45000
    assert ClusterSettings().walltime_seconds is None


def test_what_runs_may_have_a_cluster_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALDATA_WORKERS", "ALDATA_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".aldata").mkdir()
    config = tmp_path / ".aldata" / "config.yaml"
    config.write_text("cluster: {workers: 3}\nclusters: {label: {kind: lsf, workers: 9}}\n")
    assert ClusterSettings.load(tmp_path, "label").kind == "lsf"
    assert ClusterSettings.load(tmp_path, "train").workers == 3
    monkeypatch.setenv("ALDATA_CLUSTER", "{kind: sge, workers: 4}")
    assert ClusterSettings.load(tmp_path, "label").kind == "sge"
    monkeypatch.setenv("ALDATA_CLUSTER", "local")
    assert ClusterSettings.load(tmp_path, "label") == ClusterSettings()
    config.write_text("clusters: {lable: {workers: 3}}\n")
    with pytest.raises(InvalidParameters, match="some of: seed, explore, label, train"):
        ClusterSettings.load(tmp_path)


def test_every_kind_can_be_opened() -> None:
    assert set(KINDS) == set(get_args(ClusterSettings.model_fields["kind"].annotation))
    assert set(QUEUES) == set(KINDS) - {"local", "scheduler"}


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("slurm", ["#SBATCH -p long", "#SBATCH -A me", "#SBATCH -t 12:30:00", "--mem=4G"]),
        ("pbs", ["#PBS -q long", "#PBS -A me", "walltime=12:30:00"]),
        ("sge", ["#$ -q long", "#$ -P me", "h_rt=12:30:00"]),
        ("lsf", ["#BSUB -q long", '#BSUB -P "me"', "#BSUB -W 12:30"]),
    ],
)
def test_a_job_asks_the_queue_in_its_own_words(kind: str, lines: list[str], tmp_path: Path) -> None:
    dask_jobqueue = pytest.importorskip("dask_jobqueue")
    settings = ClusterSettings(
        kind=kind,  # type: ignore[arg-type]
        workers=2,
        queue="long",
        account="me",
        memory=4.0,
        walltime="12:30:00",
        prologue=["module load qe"],
    )
    options = job_scripts.options(settings, Needs(cores=2), 1, QUEUES[kind], tmp_path)
    del options["scheduler_options"], options["security"]
    job = getattr(dask_jobqueue, QUEUES[kind].cluster).job_cls("tcp://host:1", name="w", **options)
    script = job.job_script()
    for line in (*lines, "module load qe", "export OMP_NUM_THREADS=2", f"cd {Path.cwd()}"):
        assert line in script
    assert script.index("module load qe") < script.index("OMP_NUM_THREADS")


@pytest.mark.parametrize(
    ("kind", "program"), [("slurm", "sbatch"), ("pbs", "qsub"), ("lsf", "bsub")]
)
def test_a_missing_queue_is_one_clear_error(
    kind: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = ClusterSettings(kind=kind, workers=1)  # type: ignore[arg-type]
    with pytest.raises(ClusterFailed, match=f"the program {program} is not here"):
        run(trial_jobs.doubled, [1], settings, title="t")


def test_a_job_too_small_for_a_call_is_refused(tmp_path: Path) -> None:
    settings = ClusterSettings(kind="slurm", workers=1, cores=4, memory=8.0)
    for needs in (Needs(cores=8), Needs(memory=16.0)):
        with pytest.raises(InvalidParameters, match="is too small for a call"):
            run(trial_jobs.doubled, [1], settings, title="t", needs=needs)


def test_nobody_at_the_address_is_one_clear_error(tmp_path: Path) -> None:
    settings = ClusterSettings(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ClusterFailed, match="no Dask scheduler answers"):
        run(trial_jobs.doubled, [1], settings, title="t")


def test_workers_at_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's workers run jobs; without any, or without the scheduler, one clear error."""
    from distributed import LocalCluster

    monkeypatch.chdir(tmp_path)
    keywords = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=0, **keywords) as cluster:
        settings = ClusterSettings(scheduler=cluster.scheduler_address, patience=2)
        with pytest.raises(ClusterFailed, match="no worker for 2 s"):
            run(trial_jobs.doubled, [1], settings, title="t")
        cluster.scale(1)
        found = run(
            trial_jobs.doubled, range(4), settings.model_copy(update={"patience": 60}), title="t"
        )
        assert [value for value, _, _ in found] == [0, 2, 4, 6]
        with pytest.raises(ClusterFailed, match="resources cores=4"):
            run(trial_jobs.doubled, [1], settings, title="t", needs=Needs(cores=4))
        assert not list((tmp_path / ".aldata").iterdir())


def test_a_scheduler_that_goes_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        "from distributed import LocalCluster; import time\n"
        "if __name__ == '__main__':\n"
        "    c = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address='127.0.0.1:0')\n"
        "    print(c.scheduler_address, flush=True)\n"
        "    time.sleep(600)\n"
    )
    (tmp_path / "server.py").write_text(code)
    path = os.pathsep.join(p for p in sys.path if p)
    server = subprocess.Popen(
        [sys.executable, "server.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        settings = ClusterSettings(scheduler=address)
        killer = Killer(server.pid)
        with pytest.raises(ClusterFailed, match="lost"):
            run(time.sleep, [0.0, 600.0], settings, title="t", on_result=killer)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


class Killer:
    """Kills a whole session when the first job ends."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __call__(self, position: int, result: object) -> None:
        os.killpg(self.pid, signal.SIGKILL)


def test_workers_elsewhere_must_see_the_project(tmp_path: Path) -> None:
    with shared_folder(tmp_path) as shared:
        shared.check()
        with pytest.raises(ClusterFailed, match=r"runs Python 3\.1"):
            dataclasses.replace(shared, python="2.7").check()
        with pytest.raises(ClusterFailed, match="does not see the project's folder"):
            dataclasses.replace(shared, text="another").check()
    with pytest.raises(ClusterFailed, match="does not see the project's folder"):
        shared.check()


def test_lost_workers_are_counted(tmp_path: Path) -> None:
    settings = ClusterSettings(workers=1, lost_workers=0)
    with pytest.raises(ClusterFailed, match=r"1 workers were lost, cluster\.lost_workers"):
        run(trial_jobs.kills_its_worker_slowly, [tmp_path / "mark"], settings, title="t")


class TestProgress:
    def test_plain_lines_where_nobody_watches(self) -> None:
        stream = io.StringIO()
        with Progress(5, "g001 label", lambda: "1 failed, 3 known before", stream) as progress:
            progress.update(0, 0)
            progress.update(2, 2)
            for _ in range(100):
                progress.update(2, 2)
            progress.update(5, 2)
        first, last = stream.getvalue().splitlines()
        assert first.startswith(
            "g001 label: 2/5 done, 2 running, 1 failed, 3 known before, 00:00 el"
        )
        assert "left" in first
        assert last == "g001 label: 5/5 done, 1 failed, 3 known before, 00:00 elapsed"

    def test_one_live_line_on_a_terminal(self) -> None:
        stream = io.StringIO()
        stream.isatty = lambda: True  # type: ignore[method-assign]
        with Progress(5, "g001 label", lambda: "1 failed", stream) as progress:
            progress.update(2, 2)
        assert "g001 label: 2/5" in stream.getvalue()
        assert "2 running, 1 failed" in stream.getvalue()
        assert stream.getvalue().count("\n") == 1


def test_the_page_lists_every_setting() -> None:
    page = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text()
    assert table(ClusterSettings) in page
