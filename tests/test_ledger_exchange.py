"""Push and pull: only what is missing, whole or not at all, damaged ones refused, safe to repeat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from made_calls import attempt, record, stored_with_raw, tree

from aldata.errors import LedgerError
from aldata.ledger import Ledger, exchange, pull, push, verify


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/remote" if request.param == "file" else f"memory://{uuid4().hex}/l"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger")
    for number in range(5):
        stored_with_raw(ledger, float(number))
    ledger.add_attempt(record(50.0).call_id, attempt(7, "crashed"))  # a call without a verdict
    return ledger


def counts(done: exchange.Exchanged) -> tuple[int, int, int, int]:
    return done.calls, done.attempts, done.raw_files, done.present


def test_there_and_back_is_the_same_ledger(ledger: Ledger, url: str, tmp_path: Path) -> None:
    assert counts(push(ledger, url, raw=True)) == (5, 1, 5, 0)
    assert counts(push(ledger, url, raw=True)) == (0, 0, 0, 5)
    other = Ledger(tmp_path / "other")
    assert counts(pull(other, url, raw=True)) == (5, 1, 5, 0)
    assert counts(pull(other, url, raw=True)) == (0, 0, 0, 5)
    assert list(other.records()) == list(ledger.records())
    assert tree(other.folder / "calls") == tree(ledger.folder / "calls")
    assert tree(other.folder / "raw") == tree(ledger.folder / "raw")
    assert other.attempts(record(50.0).call_id) == ledger.attempts(record(50.0).call_id)
    found = verify(other)
    assert (found.calls, found.raw_files, found.damages, found.notes) == (5, 5, [], [])


def test_only_what_is_missing_travels(ledger: Ledger, url: str, tmp_path: Path) -> None:
    push(ledger, url)
    other = Ledger(tmp_path / "other")
    other.store(record(3.0, message="its own"))
    other.store(record(9.0))
    assert counts(pull(other, url))[:1] == (4,)
    assert other.find(record(3.0).call_id) == record(3.0, message="its own")  # never overwritten
    assert counts(push(other, url)) == (1, 0, 0, 5)
    assert counts(pull(ledger, url))[:1] == (1,)
    assert ledger.find(record(9.0).call_id) == record(9.0)
    assert verify(other).notes == ["raw files of 4 attempts are not here (exchanged without --raw)"]


def test_damaged_objects_are_refused_on_either_way(
    ledger: Ledger, url: str, tmp_path: Path
) -> None:
    bad = ledger.path_of(record(0.0).call_id)
    text = bad.read_text()
    bad.write_text(text.replace("-25.36", "-25.37"))
    done = push(ledger, url)
    assert done.calls == 4
    assert [name for name, _ in done.refused] == [f"calls/{bad.parent.name}/{bad.name}"]
    bad.write_text(text)
    assert push(ledger, url).calls == 1
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/calls/{bad.parent.name}/{bad.name}", text[:-9].encode())
    other = Ledger(tmp_path / "other")
    done = pull(other, url)
    assert done.calls == 4
    assert done.refused == [(f"calls/{bad.parent.name}/{bad.name}", "is not a whole object")]
    assert other.find(record(0.0).call_id) is None


def test_a_raw_file_that_changed_is_refused(ledger: Ledger, url: str) -> None:
    (raw,) = ledger.folder.glob(f"raw/??/{record(1.0).call_id}/*/input.json")
    raw.write_text("edited")
    done = push(ledger, url, raw=True)
    assert done.raw_files == 4
    assert done.refused == [
        (raw.relative_to(ledger.folder).as_posix(), "is not the file that the attempt left")
    ]


def test_other_files_at_the_url_stay_there(ledger: Ledger, url: str, tmp_path: Path) -> None:
    push(ledger, url)
    files, root = fsspec.core.url_to_fs(url)
    strangers = [
        "calls/readme.txt",
        f"calls/aa/.{'a' * 64}.json.1.part",
        f"calls/aa/{'b' * 64}.json",
    ]
    for name in strangers:
        files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        files.pipe_file(f"{root}/{name}", b"?")
    done = pull(Ledger(tmp_path / "other"), url)
    assert (done.calls, done.refused) == (5, [])


class Interrupted(Exception):
    pass


def test_an_interrupted_push_leaves_no_half_object_and_goes_on(
    ledger: Ledger, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, seen = exchange.Remote.put, []

    def put_three(self: exchange.Remote, name: str, data: bytes) -> None:
        seen.append(name)
        if len(seen) > 3:
            raise Interrupted
        put(self, name, data)

    monkeypatch.setattr(exchange.Remote, "put", put_three)
    with pytest.raises(Interrupted):
        push(ledger, url)
    monkeypatch.undo()
    other = Ledger(tmp_path / "other")
    assert pull(other, url).calls == 3
    assert verify(other).damages == []
    assert push(ledger, url).calls == 2


PUSH = """
import sys
from pathlib import Path
from aldata.ledger import Ledger, push
done = push(Ledger(Path(sys.argv[1])), sys.argv[2], raw=True)
assert not done.refused, done.refused
"""


def test_two_at_once_and_one_killed(ledger: Ledger, tmp_path: Path) -> None:
    for number in range(5, 60):
        stored_with_raw(ledger, float(number))
    url = f"file://{tmp_path}/remote"
    command = [sys.executable, "-c", PUSH, str(ledger.folder), url]
    pushers = [subprocess.Popen(command) for _ in range(3)]
    while not list((tmp_path / "remote").glob("calls/*/*.json")):
        assert pushers[0].poll() in (None, 0)
    pushers[0].kill()
    assert [p.wait(60) for p in pushers][1:] == [0, 0]
    assert push(ledger, url, raw=True).calls == 0
    other = Ledger(tmp_path / "other")
    assert pull(other, url, raw=True).calls == 60
    assert tree(other.folder / "calls") == tree(ledger.folder / "calls")
    assert verify(other).damages == []


class Sftp(DirFileSystem):
    """A file system without atomic writes, which is renamed into place."""

    protocol = "elsewhere"


def test_a_place_without_atomic_writes_is_renamed_into(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far").mkdir()
    moved = []
    monkeypatch.setattr(
        Sftp, "mv", lambda self, a, b: moved.append(b) or DirFileSystem.mv(self, a, b)
    )
    fsspec.register_implementation("elsewhere", Sftp, clobber=True)
    monkeypatch.setattr(
        fsspec.core,
        "url_to_fs",
        lambda url: (Sftp(path=str(tmp_path / "far"), fs=LocalFileSystem()), "/l"),
    )
    assert push(ledger, "elsewhere://l").calls == 5
    assert len(moved) == 6
    assert tree(tmp_path / "far" / "l" / "calls") == tree(ledger.folder / "calls")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense://bucket/x", "nonsense"),
        ("memory://nothing-is-here", "there is nothing"),
        ("file:///proc/nothing/here", "there is nothing"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_clear_error(
    tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(LedgerError, match=message) as caught:
        pull(Ledger(tmp_path / "other"), url)
    assert caught.value.where == url
    assert caught.value.next_step


def test_a_place_that_cannot_be_written_is_one_clear_error(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        push(ledger, "file:///proc/nothing/here")
