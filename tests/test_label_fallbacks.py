"""Failed calls asked again at other settings: what is asked, what is kept, and what is learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_driver import SPRINGS, pairs, theory_of
from made_labels import make_labels, molecule, moved
from trial_calculators import FAR

from aldata import params, store
from aldata.artifacts.documents import Manifest, Theory
from aldata.artifacts.frames import Labels
from aldata.artifacts.schema import FAILURES, PURPOSES
from aldata.curate import CurateSettings, Lineage, curate
from aldata.errors import InvalidInput, InvalidParameters
from aldata.exchange.frames import frames_of
from aldata.label import (
    LabelSettings,
    Requests,
    failed_requests,
    fallback_theory,
    label,
    with_fallback,
)
from aldata.label.settings import Fallback
from aldata.ledger import Ledger

AWAY = FAR + 1.0
ROBUST = Fallback(settings={"keywords": {"habit": "none"}})


def here(function: Any, jobs: Any, /) -> list[Any]:
    return [function(job) for job in jobs]


def springs(side: Path) -> tuple[Theory, dict[str, Any]]:
    keywords = {"side": str(side), "seconds": 0.0, "habit": "not_converge"}
    return theory_of(side, habit="not_converge"), {"calculator": SPRINGS, "keywords": keywords}


def asked_again(folder: Path) -> tuple[Theory, Theory, Labels]:
    """Three pairs, one of which does not converge, and the fallback's answers."""
    theory, settings = springs(folder / "side")
    ledger, limits = Ledger(folder / "ledger"), LabelSettings()
    requests = Requests.of(pairs(0.5, AWAY, 1.5), "probe", 1e-4, 5e-4)
    labels, _ = label(requests, theory, ledger, limits, here)
    other = fallback_theory("robust", ROBUST, theory, settings, "major")
    answers, facts = label(failed_requests(labels, ROBUST), other, ledger, limits, here)
    assert len(facts) == 2
    return theory, other, with_fallback(labels, answers, "robust", other)


def test_a_failure_is_kept_and_its_fallback_is_another_level_of_theory(tmp_path: Path) -> None:
    theory, other, labels = asked_again(tmp_path)
    assert other.id != theory.id
    assert labels.theory_ids == [*[theory.id] * 3, *[other.id] * 2]
    assert labels.accepted.tolist() == [True, False, True, True, True]
    assert FAILURES[labels.failure[1]] == "not_converged"
    assert labels.ids[3] == labels.ids[1]
    assert labels.call_ids[3] != labels.call_ids[1]
    assert [PURPOSES[p] for p in labels.purpose] == [*["probe"] * 4, "isolated_atom"]
    assert labels.sigma_forces.tolist() == [5e-4] * 5
    assert list(labels.fallback_of_call.values()) == ["robust"] * 2
    assert len(failed_requests(labels, ROBUST).configurations) == 0, "it has an answer now"
    path = tmp_path / "labels.zarr"
    store.write(path, labels)
    assert store.read(path, Labels).theory_ids == labels.theory_ids
    assert [frame.values["theory_id"] for frame in frames_of(labels)] == labels.theory_ids


def test_only_the_failures_that_are_named_are_asked_again(tmp_path: Path) -> None:
    theory, settings = springs(tmp_path / "side")
    requests = Requests.of(pairs(0.5, AWAY), "acquired")
    labels, _ = label(requests, theory, Ledger(tmp_path / "ledger"), LabelSettings(), here)
    crashed = Fallback(settings=ROBUST.settings, after=["crashed", "time_limit"])
    assert len(failed_requests(labels, crashed).configurations) == 0
    assert len(failed_requests(labels.take([0]), ROBUST).configurations) == 0
    same = Fallback(settings={"keywords": {"habit": "not_converge"}})
    with pytest.raises(InvalidParameters, match="change nothing"):
        fallback_theory("same", same, theory, settings, "major")
    with pytest.raises(InvalidParameters, match="no such failure; one of: not_converged"):
        Fallback.checked({"settings": {}, "after": ["unlucky"]}, "label.fallbacks")


def two_levels(gap: float = 0.0) -> Labels:
    """Four molecules, the last at the fallback, and isolated atoms whose energies differ by `gap`."""
    frames = make_labels([molecule(seed) for seed in range(4)], trajectory=[0, 1, 2, 3])
    atoms = [alone(number, spread) for spread in (0.0, 1.0) for number in (1, 8)]
    e0 = make_labels(atoms, purpose="isolated_atom")
    energy = np.array([-13.0, -2000.0, -13.0, -2000.0 + gap])
    e0 = Labels.from_arrays({**e0.arrays, "energy": energy}, e0.attributes)
    labels = Labels.concatenate([frames, e0], frames.attributes)
    calls = [labels.call_ids[row] for row in (3, 6, 7)]
    item = {"name": "robust", "theory_id": "another", "calls": calls}
    return Labels.from_arrays(labels.arrays, {**labels.attributes, "fallbacks": [item]})


def alone(number: int, x: float) -> Any:
    one = molecule(0)
    return type(one)(
        numbers=np.array([number], np.int32),
        positions=np.array([[x, 0.0, 0.0]]),
        cell=one.cell,
        pbc=one.pbc,
    )


def curated(labels: Labels, lineage: Lineage | None = None, **settings: Any) -> Manifest:
    nothing = Lineage(manifests=[], labels=Labels.empty({"theory_id": "t"}))
    return curate(labels, lineage or nothing, CurateSettings(**settings), "g000", [1, 8], 1)


def roles(manifest: Manifest) -> dict[str, str]:
    return {entry.call: entry.role for entry in manifest.entries}


def test_a_fallback_is_learned_from_only_by_name() -> None:
    labels = two_levels()
    calls = labels.call_ids
    apart, mixed = roles(curated(labels)), roles(curated(labels, mix=["robust"]))
    assert apart[calls[3]] == "none"
    assert mixed[calls[3]] in ("train", "valid")
    assert {apart[call] for call in calls[:3]} <= {"train", "valid"}
    assert {mixed[call] for call in calls[4:]} == {"none"}
    assert roles(curated(labels, mix=["gentle"])) == apart


def test_levels_whose_atoms_differ_do_not_mix_unless_allowed() -> None:
    with pytest.raises(InvalidInput, match=r"Z=8: 0\.05 eV") as caught:
        curated(two_levels(0.05), mix=["robust"])
    assert "mix_offset" in str(caught.value)
    assert "g000" in str(caught.value)
    assert curated(two_levels(0.05), mix=["robust"], mix_offset=0.06).entries
    assert curated(two_levels(0.05)).entries, "not mixed: no matter"
    without = two_levels()
    without = without.take([row for row in range(8) if row != 7])
    with pytest.raises(InvalidInput, match="Z=8: nan eV"):
        curated(without, mix=["robust"])


def test_a_copy_of_a_fallback_frame_is_as_good_as_any_other() -> None:
    labels = two_levels()
    first = curated(labels)
    later = make_labels([moved(molecule(3), 5, nudge=0.001), molecule(9)], trajectory=[0, 1])
    lineage = Lineage(manifests=[first], labels=labels)
    settings = CurateSettings()
    found = roles(curate(later, lineage, settings, "g001", [1, 8], 1))
    assert set(found.values()) <= {"train", "valid"}, "it took the role of what is no data"
    learned = Lineage(manifests=[curated(labels, mix=["robust"])], labels=labels)
    again = curate(later, learned, settings, "g001", [1, 8], 1)
    copied = {entry.call: entry.duplicate_of for entry in again.entries}
    assert copied[later.call_ids[0]] == labels.call_ids[3]


def test_what_is_mixed_must_be_a_fallback(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((Path(__file__).parents[1] / "params.yaml").read_text())
    params.set_values(path, {"curate.mix": ["robust"]})
    with pytest.raises(InvalidParameters, match="there is no fallback robust"):
        params.load(path)
    params.set_values(path, {"label.fallbacks": {"robust": {"settings": {"max_cycle": 200}}}})
    assert params.load(path).curate.mix == ["robust"]
