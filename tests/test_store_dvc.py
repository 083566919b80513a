"""dvc.lock written one stage at a time: the bytes that DVC writes."""

import subprocess
import sys
from pathlib import Path

from aldata.store.dvc import HEAD, blocks_of

PIPELINE = """
stages:
  make:
    foreach: ${names}
    do:
      cmd: python -c "open('out-${key}', 'w').write('${item.text}')"
      params: ["names.${key}"]
      outs: ["out-${key}"]
  join:
    cmd: echo "a command that is longer than a line of the file may be ${number} ${number} ${number}"
    deps: [out-a, out-b]
    params: [number, nothing, listed]
"""


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write_params(folder: Path, text: str, number: float) -> None:
    """Values whose YAML is not the obvious one: a text like a number, nothing, a list of lists."""
    names = f"names: {{a: {{text: '1e3'}}, b: {{text: {text!r}}}}}"
    rest = f"number: {number}\nnothing: null\nlisted: [[1, 'yes'], []]"
    (folder / "params.yaml").write_text(f"{names}\n{rest}\n")


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "dvc.yaml").write_text(PIPELINE)
    run(folder, "git", "init", "-q")
    run(folder, sys.executable, "-m", "dvc", "init", "-q")
    return folder


def test_the_file_has_the_bytes_that_dvc_writes(tmp_path: Path) -> None:
    theirs, ours = project(tmp_path / "theirs"), project(tmp_path / "ours")
    for text, number in [("first", 1e-8), ("true", 2.5)]:
        for folder, module in ((theirs, "dvc"), (ours, "aldata.store.dvc")):
            write_params(folder, text, number)
            run(folder, sys.executable, "-m", module, "repro", "-q")
        written = (ours / "dvc.lock").read_text()
        assert written == (theirs / "dvc.lock").read_text()
        blocks = blocks_of(written)
        assert blocks is not None
        assert list(blocks) == ["make@a", "make@b", "join"]
    assert "number: 2.5" in written
    run(ours, sys.executable, "-m", "dvc", "status", "-q")  # exits with 1 when anything is stale


def test_what_dvc_did_not_write_is_left_to_dvc(tmp_path: Path) -> None:
    block = "  make:\n    cmd: echo\n"
    assert blocks_of(HEAD + block) == {"make": block}
    for other in (
        "stages:\n" + block,  # without a schema
        HEAD + "# a remark\n" + block,
        HEAD + block + "<<<<<<< HEAD\n",
        HEAD + block + "datasets: []\n",
        HEAD + "    cmd: echo\n",
        "",
    ):
        assert blocks_of(other) is None
    folder = project(tmp_path / "with a remark")
    write_params(folder, "first", 1.0)
    run(folder, sys.executable, "-m", "dvc", "repro", "-q")
    lock = folder / "dvc.lock"
    lock.write_text("# a remark\n" + lock.read_text())
    write_params(folder, "second", 1.0)
    run(folder, sys.executable, "-m", "aldata.store.dvc", "repro", "-q")
    assert lock.read_text().startswith("# a remark\n")
    run(folder, sys.executable, "-m", "dvc", "status", "-q")
