"""Parameters: the plan's tree, merging, editing with comments kept, and the reference page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aldata import params
from aldata.errors import InvalidParameters
from aldata.explore.settings import ExploreSettings
from aldata.label import ORACLES
from aldata.params.reference import page, with_oracles
from aldata.records import merged

ROOT = Path(__file__).parents[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml"))


def test_the_shipped_file_is_valid_and_plans_four_generations(file: Path) -> None:
    loaded = params.load(file)
    assert loaded.in_order() == ["g000", "g001", "g002", "g003"]
    assert loaded.oracle.name == "pyscf"
    assert loaded.behaviour == params.BEHAVIOUR


def test_a_generations_changes_are_merged_into_the_default(file: Path) -> None:
    params.set_values(file, {"generations.g001.explore": {"checks": {"max_force": 9.0}}})
    loaded = params.load(file)
    changed = loaded.settings_of("explore", "g001")
    assert isinstance(changed, ExploreSettings)
    assert changed.checks.max_force == 9.0
    assert changed.checks.fragment_factor == loaded.explore.checks.fragment_factor
    assert changed.samplers == loaded.explore.samplers
    assert loaded.settings_of("explore", "g000") == loaded.explore


def test_a_list_is_reached_by_number_and_replaced_as_a_whole(file: Path) -> None:
    params.set_values(file, {"explore.samplers.0.steps": 900})
    assert params.load(file).explore.samplers[0].steps == 900
    frames = [{"name": "imported", "file": "pools/mine.xyz", "sha256": "0" * 12}]
    params.set_values(file, {"generations.g001.explore": {"samplers": frames}})
    (sampler,) = params.load(file).settings_of("explore", "g001").samplers
    assert sampler.name == "imported"


def test_every_verb_of_every_generation_has_its_own_seed(file: Path) -> None:
    loaded = params.load(file)
    seeds = {
        loaded.random_seed_of(verb, name) for verb in params.VERBS for name in loaded.generations
    }
    assert len(seeds) == len(params.VERBS) * 4
    assert loaded.random_seed_of("train", "g001") == params.load(file).random_seed_of(
        "train", "g001"
    )


def test_adding_a_generation_keeps_comments_and_order(file: Path) -> None:
    before = file.read_text().splitlines()
    loaded = params.load(file)
    name = params.next_name(loaded)
    params.add_generation(file, loaded, name, "g001")
    after = file.read_text().splitlines()
    added = [line for line in after if line not in before]
    assert len(added) == 1
    assert added[0].strip().startswith("g004: {parent: g001, explore: {}")
    assert [line for line in after if line != added[0]] == before
    assert params.load(file).parent_of("g004") == "g001"


def test_a_new_generation_may_differ_from_the_start(file: Path) -> None:
    changes = {"curate": {"obey": ["0123456789ab"]}}
    params.add_generation(file, params.load(file), "g004", "g003", changes)
    assert "curate: {obey: [0123456789ab]}" in file.read_text()
    assert params.load(file).plan_of("g004").curate == changes["curate"]


def test_next_name_follows_the_highest_number(file: Path) -> None:
    loaded = params.load(file)
    params.add_generation(file, loaded, "g012b", "g003")
    assert params.next_name(params.load(file)) == "g013"


def test_the_policy_on_versions_is_one_of_three(file: Path) -> None:
    params.set_values(file, {"oracle.version_policy": "patch"})
    with pytest.raises(InvalidParameters, match=r"version_policy'.*'major', 'minor' or 'exact'"):
        params.load(file)


def test_an_unknown_generation_lists_those_there_are(file: Path) -> None:
    with pytest.raises(InvalidParameters, match="g000, g001, g002, g003"):
        params.load(file).plan_of("g009")


def test_the_reference_page_is_current() -> None:
    command = "python -m aldata.params.reference > docs/parameters.md"
    assert (ROOT / "docs" / "parameters.md").read_text() == page(), f"run: {command}"


def test_every_oracle_is_explained_with_its_current_settings() -> None:
    command = "python -m aldata.params.reference docs/oracles.md"
    text = (ROOT / "docs" / "oracles.md").read_text()
    assert text == with_oracles(text), f"run: {command}"
    for name in ORACLES:
        _, _, section = text.partition(f"\n## {name}\n")
        section = section.split("\n## ")[0]
        assert f"<!-- settings of {name} -->" in section, name
        assert "Proof: " in section, name


def test_the_reference_explains_every_setting() -> None:
    text = page() + (ROOT / "docs" / "oracles.md").read_text().partition("\n## ")[2]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row[1] for row in rows if len(row[3].strip()) < 5] == []


leaves = st.integers() | st.lists(st.integers(), max_size=2)
inner = st.dictionaries(st.sampled_from("ab"), leaves, max_size=2)
trees = st.dictionaries(st.sampled_from("abcd"), leaves | inner, max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(default=trees, changes=trees)
def test_merging_takes_every_change_and_keeps_the_rest(
    default: dict[str, object], changes: dict[str, object]
) -> None:
    result = merged(default, changes)
    assert set(result) == set(default) | set(changes)
    assert merged(result, changes) == result
    assert merged(default, {}) == default
    for key in set(default) - set(changes):
        assert result[key] == default[key]


def test_exploration_may_not_ask_for_more_than_the_batch(file: Path) -> None:
    params.set_values(file, {"acquire.batch": 8, "explore.most_asked": 8})
    assert params.load(file).explore.most_asked == 8  # nothing is asked for on the way
    params.set_values(file, {"explore.ask": "during"})
    with pytest.raises(InvalidParameters, match="8 calls may be asked for") as caught:
        params.load(file)
    assert "fewer than acquire.batch" in str(caught.value)
    params.set_values(file, {"explore.most_asked": 7})
    params.load(file)


@pytest.mark.parametrize("where", ["train.members", "generations.g001.train"])
def test_a_committee_of_one_is_refused_before_any_work(file: Path, where: str) -> None:
    params.set_values(file, {where: 1 if where == "train.members" else {"members": 1}})
    with pytest.raises(InvalidParameters, match="a committee of 1 cannot disagree") as caught:
        params.load(file)
    assert "at least 2 members" in str(caught.value)
    assert "uncertainty.method: last_layer" in str(caught.value)
    for method in ("last_layer", "shallow", "dropout"):
        params.set_values(file, {"uncertainty.method": method})
        params.load(file)


def test_what_a_file_cannot_answer_is_refused_before_any_work(file: Path) -> None:
    params.set_values(file, {"oracle.name": "replay"})
    with pytest.raises(InvalidParameters, match="a replay has no labels for a traj") as caught:
        params.load(file)
    assert "for what molecular_dynamics finds" in str(caught.value)
    pool = [{"name": "imported", "file": "pools/pool.xyz", "sha256": "5f3a91c04e77"}]
    params.set_values(file, {"seed.test": None, "explore.samplers": pool})
    params.load(file)
