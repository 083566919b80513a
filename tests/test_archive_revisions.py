"""`aldata.open(..., rev=...)`: past versions and experiments, from DVC's cache and from a remote."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable

import numpy as np
import pytest
from projects import Project

import aldata
from aldata.cli.query import KINDS
from aldata.errors import DamagedArtifact, ProjectError

NAME = "retracted"


def test_an_old_revision_reads_from_the_cache_and_names_what_is_missing(
    metal: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(metal)
    before = {kind: aldata.open(kind, "g001", root=project.root) for kind in KINDS}
    contents = {kind: {n: c.copy() for n, c in f.take().items()} for kind, f in before.items()}
    project.ok("git", "tag", "first")
    for path in (project.root / "generations").glob("*/*.zarr"):
        path.rename(path.with_name(f"{path.name}.gone"))
    for kind in KINDS:
        found = aldata.open(kind, "g001", rev="first", root=project.root, check=True)  # type: ignore[call-overload]
        for name, column in contents[kind].items():
            np.testing.assert_array_equal(found.take()[name], column)
    at = aldata.open("candidates", "g001", rev="first", root=project.root)
    assert at.query(sort="-distance", top=2).ids
    with pytest.raises(DamagedArtifact, match="does not exist"):
        aldata.open("labels", "g001", root=project.root)
    with pytest.raises(ProjectError, match="no revision or experiment"):
        aldata.open("labels", "g001", rev="second", root=project.root)
    lock = (project.root / "dvc.lock").read_text()
    entry = lock.split("path: generations/g000/labels.zarr\n")[-1].split("md5: ")[1][:36]
    (project.root / ".dvc/cache/files/md5" / entry[:2] / entry[2:].strip()).unlink()
    with pytest.raises(DamagedArtifact, match=r"neither in DVC's cache[^$]*dvc push --all-commits"):
        aldata.open("labels", "g001", rev="first", root=project.root)


@pytest.fixture(scope="module")
def shared(metal: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with remotes of git and DVC, both empty, and an experiment that retracts a call."""
    elsewhere = tmp_path_factory.mktemp("shared")
    project = Project(elsewhere / "project")
    shutil.copytree(metal.root, project.root, symlinks=True)
    project.ok("git", "init", "--quiet", "--bare", str(elsewhere / "git"))
    project.ok("git", "remote", "add", "origin", str(elsewhere / "git"))
    project.ok("dvc", "remote", "add", "--quiet", "--default", "disk", str(elsewhere / "dvc"))
    project.commit("a remote")
    call = aldata.open("labels", "g001", root=project.root).query("role == 'train'").call_ids[-1]
    retraction = {"call": call, "reason": "a test"}
    project.set({"generations.g001.curate": {"retract": [retraction]}})
    project.ok("dvc", "repro", "--single-item", "curate@g001")
    project.ok("dvc", "exp", "save", "--name", NAME)
    project.ok("git", "checkout", "--quiet", ".")
    project.ok("dvc", "checkout", "--quiet")
    return project


def test_what_the_remote_lacks_is_named_with_what_brings_it_there(
    shared: Project, request: pytest.FixtureRequest
) -> None:
    cache, aside = shared.root / ".dvc" / "cache", shared.root / ".dvc" / "aside"
    cache.rename(aside)
    request.addfinalizer(lambda: aside.rename(cache))
    request.addfinalizer(lambda: shutil.rmtree(cache, ignore_errors=True))
    with pytest.raises(DamagedArtifact) as problem:
        aldata.open("labels", "g001", rev="HEAD", root=shared.root)
    text = str(problem.value)
    assert "generations/g001/dataset.json@HEAD: is neither in DVC's cache nor" in text
    assert "dvc push --all-commits" in text
    with pytest.raises(DamagedArtifact) as problem:
        aldata.open("labels", "g001", rev=NAME, root=shared.root)
    assert f"dvc exp push GIT_REMOTE {NAME}" in str(problem.value)
    assert f"dvc exp apply {NAME} && dvc repro" in str(problem.value)
    commit = shared.ok("git", "rev-parse", "HEAD").strip()
    refs = shared.ok("git", "for-each-ref", "--format=%(objectname)", "refs/exps/").split()
    for revision in {*refs} - {commit}:  # the experiment by its commit, as `dvc exp show` lists it
        with pytest.raises(DamagedArtifact, match=f"dvc exp push GIT_REMOTE {NAME}"):
            aldata.open("labels", "g001", rev=revision, root=shared.root)


def test_an_experiment_by_its_name_and_what_only_the_remote_holds(shared: Project) -> None:
    now = aldata.open("labels", "g001", root=shared.root)
    forces, roles = now.column("forces").copy(), now.column("role").tolist()
    assert not now.column("retracted").any()
    then = aldata.open("labels", "g001", rev=NAME, root=shared.root)
    assert then.column("retracted").sum() == 1
    shared.ok("dvc", "push", "--quiet")
    shared.ok("dvc", "exp", "push", "origin", NAME)
    shutil.rmtree(shared.root / ".dvc" / "cache")
    shutil.rmtree(shared.root / ".dvc" / "tmp")
    for rev, retracted in (("HEAD", 0), (NAME, 1)):
        found = aldata.open("labels", "g001", rev=rev, root=shared.root, check=True)
        np.testing.assert_array_equal(found.column("forces"), forces)
        np.testing.assert_array_equal(found.take([3, 1])["energy"], now.take([3, 1])["energy"])
        assert found.column("role").tolist() == roles
        assert found.column("retracted").sum() == retracted
        again = pickle.loads(pickle.dumps(found))
        assert again.ids == found.ids
    assert not list((shared.root / ".dvc").glob("cache/files/md5/*/*"))
