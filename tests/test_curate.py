"""The data set: roles for good, no copies across roles, a chain that cannot be altered unseen."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_labels import THEORY, make_labels, molecule, moved

from aldata.artifacts.documents import Manifest, Retraction
from aldata.artifacts.frames import Configuration, Labels
from aldata.curate import (
    CurateSettings,
    Lineage,
    RetractionFile,
    check_results,
    curate,
    expanded,
    members,
    retracted_in,
    verify_chain,
)
from aldata.curate.fingerprints import fingerprint
from aldata.errors import DamagedArtifact, InvalidInput, InvalidParameters

SETTINGS = CurateSettings()
NOBODY = Lineage([], Labels.empty({"theory_id": THEORY}))


def build(labels, lineage=NOBODY, generation="g000", seed=0, **changes) -> Manifest:
    return curate(labels, lineage, SETTINGS.model_copy(update=changes), generation, [1, 8], seed)


def role_of(manifest: Manifest, configuration: Configuration) -> str:
    return next(e.role for e in manifest.entries if e.configuration == configuration.id)


def following(*pairs: tuple[Manifest, Labels]) -> Lineage:
    manifests = [manifest for manifest, _ in pairs]
    labels = Labels.concatenate([part for _, part in pairs], {"theory_id": THEORY})
    return Lineage(manifests, labels)


def test_every_call_is_an_entry_and_only_accepted_frames_of_the_system_have_a_role():
    labels = make_labels(
        [molecule(k) for k in range(8)],
        purpose=["acquired"] * 4 + ["probe", "test", "isolated_atom", "imported"],
        status=["accepted", "failed", "rejected", "accepted", *4 * ["accepted"]],
    )
    manifest = build(labels)
    roles = {molecule(k).id: None for k in range(8)}
    roles |= {entry.configuration: entry.role for entry in manifest.entries}
    found = [roles[molecule(k).id] for k in range(8)]
    assert found[1:3] == ["none", "none"]
    assert found[4:7] == ["probe", "none", "none"]
    assert {found[0], found[3], found[7]} <= {"train", "valid"}
    assert manifest.parent is None
    assert [e.call for e in manifest.entries] == sorted(labels.call_ids)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(5, 40),
    trajectories=st.integers(0, 6),
    share=st.floats(0.01, 0.5),
    seed=st.integers(0, 99),
)
def test_valid_frames_are_about_the_share_and_never_all(n, trajectories, share, seed):
    trajectory = np.arange(n) % trajectories if trajectories else -1
    labels = make_labels([molecule(k) for k in range(n)], trajectory=trajectory)
    count = Counter(e.role for e in build(labels, seed=seed, valid=share).entries)
    wanted = max(1, round(share * n))
    assert count["train"] + count["valid"] == n
    assert min(wanted, n - 1) <= count["valid"] <= max(2 * wanted, 1)
    assert count["train"] >= 1


def test_whole_trajectories_validate_where_one_fits():
    labels = make_labels([molecule(k) for k in range(40)], trajectory=np.arange(40) % 10)
    entries = build(labels).entries
    roles = {}
    for entry in entries:
        roles.setdefault(entry.lineage, set()).add(entry.role)
    assert all(len(found) == 1 for found in roles.values())
    assert set(roles) == {f"g000/trajectory-{k}" for k in range(10)}


def test_a_single_trajectory_is_divided_by_content():
    labels = make_labels([molecule(k) for k in range(20)], trajectory=0)
    assert Counter(e.role for e in build(labels).entries) == {"train": 17, "valid": 3}


def test_displacements_are_named_after_themselves():
    labels = make_labels([molecule(0)])
    assert build(labels).entries[0].lineage == f"g000/{molecule(0).id}"


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(14)), nudge=st.floats(0, 0.03))
def test_the_order_of_rows_does_not_matter(order, nudge):
    frames = [molecule(k) for k in range(12)]
    frames += [moved(frames[0], 1, nudge), moved(frames[5], 2, nudge)]
    purpose = ["probe" if k % 5 == 0 else "acquired" for k in range(14)]
    labels = make_labels(frames, purpose=purpose, trajectory=np.arange(14) % 3)
    assert build(labels.take(order)).digest == build(labels).digest


def test_a_changed_result_changes_the_digest():
    frames = [molecule(k) for k in range(6)]
    before, after = make_labels(frames), make_labels(frames, value=1e-9)
    assert build(before).digest != build(after).digest
    assert build(before).digest == build(make_labels(frames)).digest
    with pytest.raises(DamagedArtifact, match="6 changed"):
        check_results(build(before), after)
    check_results(build(before), before)


def test_labels_that_are_missing_or_added_are_found():
    labels = make_labels([molecule(k) for k in range(6)])
    with pytest.raises(DamagedArtifact, match="1 missing"):
        check_results(build(labels), labels.take(range(5)))
    with pytest.raises(DamagedArtifact, match="1 not in the data set"):
        check_results(build(labels.take(range(5))), labels)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_roles_never_change_along_a_chain_and_probes_are_never_trained_on(data):
    pairs: list[tuple[Manifest, Labels]] = []
    for number in range(3):
        seeds = data.draw(st.lists(st.integers(0, 15), min_size=1, max_size=10))
        copy = [data.draw(st.booleans()) for _ in seeds]
        frames = [
            moved(molecule(s), 7 * number + s, 0.005) if c else molecule(s)
            for s, c in zip(seeds, copy, strict=True)
        ]
        purpose = [data.draw(st.sampled_from(["acquired", "probe", "test"])) for _ in seeds]
        labels = make_labels(frames, purpose=purpose)
        lineage = following(*pairs) if pairs else NOBODY
        pairs.append((build(labels, lineage, f"g{number:03}", seed=number), labels))
    chain = [manifest for manifest, _ in pairs]
    verify_chain(chain)
    roles = members(chain)
    probes = {e.call for m in chain for e in m.entries if e.purpose == "probe"}
    first = {}
    for manifest in chain:
        for entry in manifest.entries:
            first.setdefault(entry.call, entry)
            assert first[entry.call].role == entry.role
    asked_as_probe = {call for call in probes if first[call].purpose == "probe"}
    assert not asked_as_probe & set(roles["train"] + roles["valid"])
    assert_no_copy_across(pairs)


def assert_no_copy_across(pairs: list[tuple[Manifest, Labels]]) -> None:
    """No near-copy of a probe or test frame is learned from, and none of a valid frame trains."""
    role, prints = {}, {}
    for manifest, labels in pairs:
        role |= {e.call: e.role for e in manifest.entries if e.status == "accepted"}
        prints |= {c: fingerprint(labels[row]) for row, c in enumerate(labels.call_ids)}
    tolerance = SETTINGS.duplicate_tolerance
    for mine, one in prints.items():
        for other, two in prints.items():
            if role[mine] == "train" and role[other] in ("valid", "probe"):
                assert one.distance(two, tolerance) > tolerance


def test_a_copy_of_an_ancestors_frame_gets_its_role():
    frames = [molecule(k) for k in range(10)]
    labels = make_labels(frames, purpose=["probe"] * 2 + ["acquired"] * 8)
    root = build(labels)
    copies = [moved(frame, 3, 0.005) for frame in frames]
    later = build(make_labels(copies), following((root, labels)), "g001")
    assert [role_of(later, c) for c in copies] == [role_of(root, f) for f in frames]
    originals = {e.configuration: e.duplicate_of for e in later.entries}
    calls = dict(zip(labels.ids, labels.call_ids, strict=True))
    assert [originals[c.id] for c in copies] == [calls[f.id] for f in frames]


def test_a_probe_that_copies_a_training_frame_is_neither_trained_on_nor_a_probe():
    frames = [molecule(k) for k in range(6)]
    labels = make_labels(frames)
    copies = make_labels([moved(f, 5, 0.005) for f in frames], purpose="probe")
    later = build(copies, following((build(labels), labels)), "g001")
    assert {e.role for e in later.entries} == {"none"}
    assert all(e.duplicate_of for e in later.entries)


def test_a_copy_of_a_test_frame_is_never_learned_from():
    test = make_labels([molecule(0)], purpose="test")
    copy = make_labels([moved(molecule(0), 1, 0.004)])
    later = build(copy, following((build(test), test)), "g001")
    assert [e.role for e in later.entries] == ["none"]


def test_a_copy_of_a_test_frame_of_the_same_generation_is_not_learned_from_either():
    frames = [molecule(k) for k in range(6)] + [moved(molecule(0), 1, 0.004)]
    manifest = build(make_labels(frames, purpose=["test"] + ["imported"] * 6))
    assert role_of(manifest, frames[6]) == "none"
    assert {role_of(manifest, frame) for frame in frames[1:6]} == {"train", "valid"}


def stretched(length: float) -> Configuration:
    """Water with one bond longer by `length` A."""
    frame = molecule(0)
    positions = frame.positions.copy()
    bond = positions[1] - positions[0]
    positions[1] += length * bond / np.linalg.norm(bond)
    return dataclasses.replace(frame, positions=positions)


@pytest.mark.parametrize(("purpose", "expected"), [("probe", "probe"), ("test", "none")])
def test_a_frame_between_two_roles_gets_the_more_cautious(purpose, expected):
    others = [molecule(k) for k in range(1, 12)]
    for ends in ((0.0, 0.04), (0.04, 0.0)):
        frames = [stretched(ends[0]), stretched(ends[1]), *others]
        labels = make_labels(frames, purpose=[purpose] + ["acquired"] * 12)
        root = build(labels)
        assert role_of(root, frames[1]) in ("train", "valid")
        between = make_labels([stretched(0.02)])
        later = build(between, following((root, labels)), "g001")
        assert [entry.role for entry in later.entries] == [expected]


def test_copies_within_a_generation_share_the_probes_role():
    frames = [molecule(k) for k in range(8)] + [moved(molecule(0), 1, 0.005)]
    labels = make_labels(frames, purpose=["probe"] + ["acquired"] * 8)
    manifest = build(labels)
    assert role_of(manifest, frames[0]) == role_of(manifest, frames[8]) == "probe"
    duplicate = next(e for e in manifest.entries if e.configuration == frames[8].id)
    assert duplicate.duplicate_of == labels.call_ids[0]
    without = build(labels, duplicate_tolerance=0.0)
    assert role_of(without, frames[8]) in ("train", "valid")


def test_the_same_call_keeps_its_role_whatever_it_is_asked_for():
    labels = make_labels([molecule(k) for k in range(10)])
    root = build(labels)
    again = make_labels([molecule(k) for k in range(10)], purpose="probe")
    later = build(again, following((root, labels)), "g001", seed=9)
    assert {e.call: e.role for e in later.entries} == {e.call: e.role for e in root.entries}
    assert members([root, later]) == members([root])


def test_one_call_asked_for_twice_is_one_entry_with_the_strictest_purpose():
    frames = [molecule(k) for k in range(6)]
    labels = make_labels([*frames, frames[2]], purpose=["acquired"] * 6 + ["probe"])
    manifest = build(labels)
    assert len(manifest.entries) == 6
    assert role_of(manifest, frames[2]) == "probe"
    other = make_labels([frames[2]], value=1.0)
    both = Labels.concatenate([labels, other], labels.attributes)
    with pytest.raises(InvalidInput, match="two results"):
        build(both)


def test_a_call_that_failed_for_the_machine_may_be_accepted_later():
    failed = make_labels([molecule(0)], status="failed")
    root = build(failed)
    accepted = make_labels([molecule(k) for k in range(6)])
    later = build(accepted, following((root, failed)), "g001")
    roles = members([root, later])
    assert accepted.call_ids[0] in roles["train"] + roles["valid"]
    assert roles["none"] == []


def test_retractions_are_inherited_and_must_exist():
    labels = make_labels([molecule(k) for k in range(8)])
    root = build(labels)
    wrong = root.entries[0].call
    retract = [Retraction(call=wrong, reason="wrong spin state")]
    more = make_labels([molecule(k) for k in range(8, 16)])
    later = build(more, following((root, labels)), "g001", retract=retract)
    last = make_labels([molecule(20)])
    chain = [root, later, build(last, following((root, labels), (later, more)), "g002")]
    assert [m.retracted for m in chain] == [[], retract, []]
    used = [{call for role in members(chain[:n]).values() for call in role} for n in (1, 2, 3)]
    assert [wrong in calls for calls in used] == [True, False, False]
    assert len(used[2]) == 16
    unknown = [Retraction(call="ab" * 32, reason="typing error")]
    with pytest.raises(InvalidInput, match="ab" * 32):
        build(more, following((root, labels)), "g001", retract=unknown)


def test_the_chain_is_verified_link_by_link():
    labels = make_labels([molecule(k) for k in range(6)])
    root = build(labels)
    later = build(make_labels([molecule(9)]), following((root, labels)), "g001")
    verify_chain([root, later])
    entry = root.entries[0].model_copy(update={"result": "0" * 64})
    forged = root.model_copy(update={"entries": [entry, *root.entries[1:]]})
    with pytest.raises(DamagedArtifact, match="g001"):
        verify_chain([forged, later])
    with pytest.raises(DamagedArtifact, match="nothing"):
        verify_chain([later])


def test_labels_of_another_theory_or_of_no_data_set_are_refused():
    labels = make_labels([molecule(k) for k in range(6)])
    root = build(labels)
    other = make_labels([molecule(7)])
    other = Labels.from_arrays(other.arrays, {"theory_id": "f" * 64})
    with pytest.raises(InvalidInput, match="level of theory"):
        build(other, following((root, labels)), "g001")
    stranger = make_labels([molecule(8)])
    both = Labels.concatenate([labels, stranger], labels.attributes)
    with pytest.raises(DamagedArtifact, match="1 labels are in no data set"):
        build(make_labels([molecule(9)]), Lineage([root], both), "g001")


def test_a_retraction_can_be_taken_back_later():
    labels = make_labels([molecule(k) for k in range(6)])
    root = build(labels)
    wrong = next(entry.call for entry in root.entries if entry.role == "train")
    item = [Retraction(call=wrong, reason="wrong spin state")]
    more = [make_labels([molecule(k)]) for k in (10, 11, 12)]
    gone = build(more[0], following((root, labels)), "g001", retract=item)
    lineage = following((root, labels), (gone, more[0]))
    back = build(more[1], lineage, "g002", restore=item)
    assert [gone.retracted, gone.restored, back.retracted, back.restored] == [item, [], [], item]
    assert wrong not in members([root, gone])["train"]
    assert wrong in members([root, gone, back])["train"]
    assert retracted_in([root, gone]) == {wrong}
    assert retracted_in([root, gone, back]) == set()
    again = build(
        more[2], following((root, labels), (gone, more[0]), (back, more[1])), "g003", retract=item
    )
    assert retracted_in([root, gone, back, again]) == {wrong}
    assert "restored" not in root.content()
    assert build(more[1], lineage, "g002").restored == []


def test_named_retractions_stand_for_their_calls_in_this_lineage():
    file = RetractionFile(
        calls=["a", "b"], reason="bad host", selector=["host:n1"], since=None, known=[],
        made="2026-01-01", by="x",
    )  # fmt: skip
    settings = CurateSettings(obey=[file.id])
    found = expanded(settings, lambda _: file, {"a", "c"})
    assert found.retract == [Retraction(call="a", reason=f"bad host ({file.id})")]
    assert found.restore == found.obey == []
    found = expanded(CurateSettings(revoke=[file.id]), lambda _: file, {"b"})
    assert [item.call for item in found.restore] == ["b"]
    with pytest.raises(DamagedArtifact, match="is not the retraction 0123"):
        expanded(CurateSettings(obey=["0123"]), lambda _: file, {"a"})


def test_settings_name_every_violation():
    with pytest.raises(
        InvalidParameters,
        match="duplicate_tolerance, mix, mix_offset, obey, restore, retract, revoke, valid",
    ):
        CurateSettings.checked({"validation": 0.1}, "curate")


def test_nothing_gives_an_empty_data_set():
    empty = build(NOBODY.labels)
    assert empty.entries == []
    assert members([empty]) == {"train": [], "valid": [], "probe": [], "none": []}
