"""Every format of `exchange.FORMATS`: what is written is read again, bit for bit, by us and by others."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from ase.io import read as ase_read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aldata import digest, exchange
from aldata.artifacts.documents import Theory, call_id
from aldata.artifacts.frames import (
    Candidates,
    Configuration,
    Labels,
    as_configurations,
    geometry_columns,
    result_digest,
)
from aldata.artifacts.schema import FAILURES, PURPOSES, STATUSES
from aldata.errors import InvalidInput
from aldata.exchange.frames import atoms_of

THEORY = Theory(
    oracle="emt",
    settings={"text": "a \"quoted\" 'word' \\ and é"},
    record={"code": "emt", "numbers": [1, 2.5]},
)
ENDINGS = [suffix for kind in exchange.FORMATS.values() for suffix in kind.suffixes]


def configuration(rng: np.random.Generator, n: int, pbc: Sequence[bool]) -> Configuration:
    """`n` atoms near the points of a coarse grid, charged and with unpaired electrons."""
    grid = np.stack(np.unravel_index(rng.permutation(27)[:n], (3, 3, 3)), axis=1) * 2.5
    periodic = np.array(pbc, dtype=bool)
    return Configuration(
        numbers=rng.choice([1, 6, 8, 14], n).astype(np.int32),
        positions=grid + rng.normal(scale=0.1, size=(n, 3)),
        cell=np.where(periodic[:, None], 9 * np.eye(3) + rng.normal(scale=0.1, size=(3, 3)), 0),
        pbc=periodic,
        charge=int(rng.integers(-2, 3)),
        spin=int(rng.integers(0, 3)),
    )


def made_labels(
    configurations: list[Configuration], seed: int, failed: Sequence[int] = ()
) -> Labels:
    """Labels of random values; a stress where all directions are periodic and the seed is even."""
    rng, n = np.random.default_rng(seed), len(configurations)
    parts: list[tuple[float, Any, Any]] = []
    for row, one in enumerate(configurations):
        parts.append((np.nan, np.full((len(one), 3), np.nan), np.full(6, np.nan)))
        if row not in failed:
            stress = rng.normal(size=6) if one.pbc.all() and seed % 2 == 0 else np.full(6, np.nan)
            parts[-1] = (rng.normal() * 1e4, rng.normal(size=(len(one), 3)), stress)
    status = ["failed" if row in failed else "accepted" for row in range(n)]
    results = [
        result_digest(s, *((None, None, None) if s == "failed" else (e, f, None if np.isnan(t[0]) else t)))
        for s, (e, f, t) in zip(status, parts, strict=True)
    ]  # fmt: skip
    return Labels(
        **geometry_columns(configurations),
        call_id=digest.to_bytes([call_id(c.id, THEORY.id) for c in configurations]),
        result_digest=digest.to_bytes(results),
        status=np.array([STATUSES.index(s) for s in status]),
        failure=np.array([FAILURES.index("not_converged") * (s == "failed") for s in status]),
        purpose=rng.integers(0, len(PURPOSES), n),
        trajectory=rng.integers(-1, 5, n),
        energy=np.array([p[0] for p in parts]),
        forces=np.concatenate([p[1] for p in parts]),
        stress=np.array([p[2] for p in parts]),
        sigma_energy=rng.random(n),
        sigma_forces=rng.random(n),
        attributes={"theory_id": THEORY.id},
    )


def ragged(seed: int, frames: int) -> list[Configuration]:
    """Frames of 1 to 9 atoms and of every periodicity."""
    rng = np.random.default_rng(seed)
    return [
        configuration(rng, int(rng.integers(1, 10)), rng.random(3) < 0.6) for _ in range(frames)
    ]


def written(path: Path, labels: Labels) -> Path:
    statement = exchange.own_statement(THEORY, None, {"kind": "labels", "generation": "g003"})
    assert exchange.write(path, statement, exchange.frames_of(labels)) == len(labels)
    return path


def assert_same_bits(one: Any, other: Any) -> None:
    for name, column in one.arrays.items():
        assert column.tobytes() == other.arrays[name].tobytes(), name


@pytest.mark.parametrize("ending", ENDINGS)
class TestEveryFormat:
    @settings(
        max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        shapes=st.lists(
            st.tuples(st.integers(1, 9), st.tuples(st.booleans(), st.booleans(), st.booleans())),
            min_size=1,
            max_size=5,
        ),
        seed=st.integers(0, 2**16),
    )
    def test_labels_come_back_bit_for_bit(
        self, tmp_path_factory: Any, ending: str, shapes: Any, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        labels = made_labels([configuration(rng, n, pbc) for n, pbc in shapes], seed)
        path = written(tmp_path_factory.mktemp("x") / f"a{ending}", labels)
        found = exchange.read(path, exchange.Request())
        assert_same_bits(labels, found.labels)
        assert found.labels.attributes["theory_id"] == THEORY.id
        assert found.statement.theory == THEORY
        assert found.statement.source == {"kind": "labels", "generation": "g003"}

    def test_configurations_without_labels(self, tmp_path: Path, ending: str) -> None:
        frames = as_configurations(ragged(5, 12))
        path = tmp_path / f"a{ending}"
        exchange.write(path, exchange.own_statement(None, None, {}), exchange.frames_of(frames))
        assert_same_bits(frames, exchange.read(path, exchange.Request(labelled=False)).frames)
        with pytest.raises(InvalidInput, match="no level of theory"):
            exchange.read(path, exchange.Request())
        text = exchange.stated_theory("anything")
        with pytest.raises(InvalidInput, match="frame 0 has no energy"):
            exchange.read(path, exchange.Request(theory=text))

    def test_failed_calls_are_marked_and_never_data(self, tmp_path: Path, ending: str) -> None:
        labels = made_labels(ragged(7, 6), 2, failed=[0, 4])
        found = exchange.read(written(tmp_path / f"a{ending}", labels), exchange.Request())
        assert found.labels.ids == labels.take(labels.accepted).ids
        assert "2 frames are marked as failed" in " ".join(found.notes)

    def test_a_moved_atom_does_not_keep_its_id(self, tmp_path: Path, ending: str) -> None:
        labels = made_labels(ragged(9, 4), 2)
        frames = list(exchange.frames_of(labels))
        frames[2].positions[0, 0] += 1e-9
        path = tmp_path / f"a{ending}"
        exchange.write(path, exchange.own_statement(THEORY, None, {}), frames)
        with pytest.raises(InvalidInput, match="frame 2: is not the configuration"):
            exchange.read(path, exchange.Request())
        found = exchange.read(path, exchange.Request(accept_changed_ids=True))
        assert "1 frames are not the configurations" in found.notes[0]
        assert found.labels.ids[2] != labels.ids[2]
        assert found.labels.call_ids[2] != labels.call_ids[2]
        assert found.labels.ids[1] == labels.ids[1]
        assert found.labels.call_ids[1] == labels.call_ids[1]

    def test_an_edited_label_is_noticed(self, tmp_path: Path, ending: str) -> None:
        labels = made_labels(ragged(9, 3), 2)
        frames = list(exchange.frames_of(labels))
        frames[1].values["energy"] += 1e-6
        path = tmp_path / f"a{ending}"
        exchange.write(path, exchange.own_statement(THEORY, None, {}), frames)
        with pytest.raises(InvalidInput, match="frame 1: its label is not the one"):
            exchange.read(path, exchange.Request())

    def test_frames_that_occur_twice_are_counted(self, tmp_path: Path, ending: str) -> None:
        labels = made_labels(ragged(11, 3), 2)
        path = written(tmp_path / f"a{ending}", labels.take([0, 1, 0, 2, 1]))
        found = exchange.read(path, exchange.Request())
        assert found.labels.ids == labels.ids
        assert "2 frames occur more than once" in found.notes[0]

    def test_nan_forces_are_named(self, tmp_path: Path, ending: str) -> None:
        frames = list(exchange.frames_of(made_labels(ragged(13, 3), 2)))
        frames[1].values["forces"][0, 1] = np.nan
        path = tmp_path / f"a{ending}"
        exchange.write(path, exchange.own_statement(THEORY, None, {}), frames)
        with pytest.raises(InvalidInput, match="frame 1: forces is not finite"):
            exchange.read(path, exchange.Request())

    def test_unknown_elements_are_named(self, tmp_path: Path, ending: str) -> None:
        one = ragged(15, 1)[0]
        one.numbers[0] = 0
        frames = exchange.frames_of(made_labels([one], 2))
        path = tmp_path / f"a{ending}"
        exchange.write(path, exchange.own_statement(THEORY, None, {}), frames)
        with pytest.raises(InvalidInput, match="frame 0 has an atom of unknown element"):
            exchange.read(path, exchange.Request())

    def test_truncated_empty_missing_and_unreadable_files(
        self, tmp_path: Path, ending: str
    ) -> None:
        path = written(tmp_path / f"a{ending}", made_labels(ragged(17, 20), 2))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(InvalidInput, match=f"a{ending}"):
            exchange.read(path, exchange.Request())
        path.write_bytes(b"")
        with pytest.raises(InvalidInput, match=f"a{ending}"):
            exchange.read(path, exchange.Request())
        path.write_bytes(b"something else altogether\n" * 99)
        with pytest.raises(InvalidInput, match=f"a{ending}"):
            exchange.read(path, exchange.Request())
        path.unlink()
        with pytest.raises(InvalidInput, match="no such file"):
            exchange.read(path, exchange.Request())
        path.mkdir()
        with pytest.raises(InvalidInput, match=r"is a folder|holds no .h5 file"):
            exchange.read(path, exchange.Request())
        assert [p.name for p in tmp_path.iterdir()] == [f"a{ending}"]

    def test_nothing_is_left_of_a_failed_write(self, tmp_path: Path, ending: str) -> None:
        labels = made_labels(ragged(19, 3), 2)
        path = written(tmp_path / f"a{ending}", labels)
        before = path.read_bytes()

        def breaking() -> Any:
            yield from exchange.frames_of(labels.take([0, 1]))
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError):
            exchange.write(path, exchange.own_statement(THEORY, None, {}), breaking())
        with pytest.raises(InvalidInput, match="nothing to write"):
            exchange.write(path, exchange.own_statement(THEORY, None, {}), [])
        assert [p.name for p in tmp_path.iterdir()] == [f"a{ending}"]
        assert path.read_bytes() == before


def test_many_frames_cross_every_block(tmp_path: Path) -> None:
    """More frames than a block of any format, the first ones without a stress."""
    configurations = ragged(21, 30) + [configuration(np.random.default_rng(1), 2, [True] * 3)] * 1
    rng = np.random.default_rng(3)
    big = [configuration(rng, int(rng.integers(1, 4)), [False] * 3) for _ in range(2100)]
    labels = made_labels([*big, *configurations], 2)
    assert np.isnan(labels.stress[:2100]).all()
    assert np.isfinite(labels.stress[2100:]).any()
    for ending in (".h5md", ".parquet"):
        found = exchange.read(written(tmp_path / f"a{ending}", labels), exchange.Request())
        assert_same_bits(labels, found.labels)


class TestOthersReadIt:
    """The format's own reader sees the same numbers."""

    @pytest.fixture
    def labels(self) -> Labels:
        return made_labels(ragged(23, 8), 2, failed=[3])

    def assert_sees(self, labels: Labels, frames: Sequence[Atoms]) -> None:
        assert len(frames) == len(labels)
        for row, atoms in enumerate(frames):
            one = labels[row]
            assert np.array_equal(atoms.numbers, one.numbers)
            assert np.array_equal(atoms.positions, one.positions)
            assert np.array_equal(atoms.pbc, one.pbc)
            assert np.array_equal(atoms.cell.array, one.cell)
            if not labels.accepted[row]:
                assert atoms.calc is None
                continue
            assert atoms.get_potential_energy() == labels.energy[row]
            assert np.array_equal(atoms.get_forces(), labels.forces[labels.atoms_of(row)])
            if np.isfinite(labels.stress[row, 0]):
                assert np.array_equal(atoms.get_stress(), labels.stress[row])

    def test_ase_reads_extxyz(self, tmp_path: Path, labels: Labels) -> None:
        frames = ase_read(written(tmp_path / "a.xyz", labels), ":")
        self.assert_sees(labels, frames)
        assert [f.info["configuration_id"] for f in frames] == labels.ids
        assert [f.info["spin"] for f in frames] == labels.spin.tolist()
        assert frames[3].info["status"] == "failed"

    @pytest.mark.parametrize("ending", [".db", ".json", ".aselmdb"])
    def test_ase_reads_its_databases(self, tmp_path: Path, labels: Labels, ending: str) -> None:
        path = written(tmp_path / f"a{ending}", labels)
        options = {"readonly": True} if ending == ".aselmdb" else {}
        rows = list(connect(str(path), **options).select())
        self.assert_sees(labels, [row.toatoms() for row in rows])
        assert [row.data["configuration_id"] for row in rows] == labels.ids
        assert len(list(connect(str(path), **options).select(status="failed"))) == 1

    def test_znh5md_reads_h5md(self, tmp_path: Path, labels: Labels) -> None:
        znh5md = pytest.importorskip("znh5md")
        frames = list(znh5md.IO(str(written(tmp_path / "a.h5md", labels)))[:])
        self.assert_sees(labels, frames)
        assert [f.info["configuration_id"] for f in frames] == labels.ids

    def test_we_read_what_znh5md_writes(self, tmp_path: Path, labels: Labels) -> None:
        znh5md = pytest.importorskip("znh5md")
        accepted = labels.take(labels.accepted)
        frames = [atoms_of(frame) for frame in exchange.frames_of(accepted)]
        for atoms in frames:
            del atoms.info["theory_id"]
        znh5md.IO(str(tmp_path / "a.h5md")).extend(frames)
        request = exchange.Request(
            theory=exchange.stated_theory("PBE"),
            conventions=exchange.Conventions(
                stress_sign="tension", voigt="xx yy zz yz xz xy", spin="unpaired"
            ),
        )
        found = exchange.read(tmp_path / "a.h5md", request)
        assert found.labels.ids == accepted.ids
        assert np.array_equal(found.labels.energy, accepted.energy)
        assert np.array_equal(found.labels.forces, accepted.forces)
        assert found.statement.conventions.force == "eV/Angstrom"  # the file's own attribute

    @pytest.mark.parametrize("ending", [".db", ".aselmdb"])
    def test_a_foreign_database(self, tmp_path: Path, labels: Labels, ending: str) -> None:
        """As OMol25 has it: charge and multiplicity in `data`, results in the calculator."""
        accepted = labels.take(labels.accepted)
        with connect(str(tmp_path / f"a{ending}")) as database:
            for frame in exchange.frames_of(accepted):
                spin = int(frame.values["spin"]) + 1
                data = {"charge": frame.values["charge"], "spin": spin, "energy": "of another kind"}
                atoms = atoms_of(frame)
                atoms.info = {}
                database.write(atoms, data=data)
        multiplicity = exchange.PRESETS["ase"].model_copy(update={"spin": "multiplicity"})
        request = exchange.Request(
            conventions=multiplicity, theory=exchange.stated_theory("wB97M-V/def2-TZVPD")
        )
        found = exchange.read(tmp_path / f"a{ending}", request).labels
        assert found.ids == accepted.ids
        assert found.energy.tobytes() == accepted.energy.tobytes()
        assert found.stress.tobytes() == accepted.stress.tobytes()

    def test_mace_reads_its_hdf5(self, tmp_path: Path, labels: Labels) -> None:
        from mace.data import HDF5Dataset
        from mace.tools import AtomicNumberTable
        from mace.tools.torch_tools import default_dtype

        path = written(tmp_path / "a.h5", labels)
        with default_dtype("float64"):
            dataset = HDF5Dataset(str(path), r_max=3.0, z_table=AtomicNumberTable([1, 6, 8, 14]))
            assert len(dataset) == len(labels)
            for row in range(len(labels)):
                seen = dataset[row]
                atoms = labels.atoms_of(row)
                assert np.array_equal(seen.positions.numpy(), labels.positions[atoms])
                assert float(seen.total_charge) == labels.charge[row]
                assert float(seen.total_spin) == labels.spin[row] + 1
                assert float(seen.forces_weight) == float(labels.accepted[row])
                if not labels.accepted[row]:
                    assert float(seen.weight) == 0.0
                    continue
                assert float(seen.energy) == labels.energy[row]
                assert np.array_equal(seen.forces.numpy(), labels.forces[atoms])
                stress = labels.stress[row]
                if np.isfinite(stress[0]):
                    assert float(seen.stress[0, 1, 2]) == stress[3]  # yz
                    assert float(seen.stress[0, 0, 1]) == stress[5]  # xy
                else:
                    assert float(seen.stress_weight) == 0.0

    def test_we_read_what_mace_writes(self, tmp_path: Path, labels: Labels) -> None:
        import h5py
        from mace.data import KeySpecification, config_from_atoms
        from mace.data.utils import save_configurations_as_HDF5

        accepted = labels.take(labels.accepted)
        keys = KeySpecification(
            info_keys={"energy": "REF_energy", "stress": "REF_stress"},
            arrays_keys={"forces": "REF_forces"},
        )
        configurations = []
        for frame in exchange.frames_of(accepted):
            atoms = atoms_of(frame)
            atoms.info["REF_energy"] = atoms.get_potential_energy()
            atoms.arrays["REF_forces"] = atoms.get_forces()
            configurations.append(config_from_atoms(atoms, keys))
        folder = tmp_path / "train"
        folder.mkdir()
        for part, chunk in enumerate((configurations[:4], configurations[4:])):
            with h5py.File(folder / f"train_{part}.h5", "w") as file:
                save_configurations_as_HDF5(chunk, part, file)
        request = exchange.Request(
            format="mace",
            conventions=exchange.PRESETS["ase"],
            theory=exchange.stated_theory("PBE"),
        )
        found = exchange.read(folder, request)
        assert np.array_equal(found.labels.positions, accepted.positions)
        assert np.array_equal(found.labels.energy, accepted.energy)
        assert np.array_equal(found.labels.forces, accepted.forces)

    def test_pandas_reads_parquet(self, tmp_path: Path, labels: Labels) -> None:
        import pandas
        import pyarrow.parquet as pq

        path = written(tmp_path / "a.parquet", labels)
        table = pandas.read_parquet(path)
        assert table["configuration_id"].tolist() == labels.ids
        assert np.array_equal(table["energy"], labels.energy, equal_nan=True)
        assert np.isnan(table["energy"][3])
        assert table["atomic_forces"][3] is None
        row = int(np.flatnonzero(np.isfinite(labels.stress[:, 0]))[0])
        assert table["cauchy_stress"][row][0][1] == labels.stress[row, 5]
        assert pq.read_schema(path).field("atomic_forces").metadata[b"unit"] == b"eV/angstrom"

    def test_a_foreign_colabfit_file_states_units_and_method(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [
            {
                "configuration_id": "CO_123", "atomic_numbers": [1, 1], "pbc": [False] * 3,
                "positions": [[0.0, 0.0, 0.0], [0.0, 0.0, 1.4]], "cell": [[0.0] * 3] * 3,
                "energy": -1.0, "energy_unit": "Hartree", "atomic_forces": [[0.0] * 3] * 2,
                "atomic_forces_unit": "Hartree/bohr", "method": "DFT-PBE", "software": "VASP",
            }
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
        request = exchange.Request(conventions=exchange.Conventions(length="bohr"))
        found = exchange.read(tmp_path / "a.parquet", request)
        assert found.labels.energy[0] == pytest.approx(-27.211386, abs=1e-6)
        assert found.labels.positions[1, 2] == pytest.approx(0.740848, abs=1e-6)
        assert found.statement.theory == exchange.stated_theory("DFT-PBE VASP")


class TestOnlyWhatIsStated:
    @pytest.fixture
    def plain(self, tmp_path: Path) -> Path:
        """A file as ASE writes it: nobody says what its numbers mean."""
        frames = [atoms_of(f) for f in exchange.frames_of(made_labels(ragged(25, 4), 2))]
        for atoms in frames:
            atoms.info = {"charge": 0}
        from ase.io import write

        write(tmp_path / "plain.xyz", frames)
        return tmp_path / "plain.xyz"

    def test_everything_missing_is_named_at_once(self, plain: Path) -> None:
        with pytest.raises(InvalidInput) as problem:
            exchange.read(plain, exchange.Request())
        for text in ("--length-unit", "--energy-unit", "--force-unit", "--stress-unit",
                     "--stress-sign", "level of theory"):  # fmt: skip
            assert text in str(problem.value)

    def test_the_user_says_so(self, plain: Path) -> None:
        request = exchange.Request(
            conventions=exchange.PRESETS["ase"], theory=exchange.stated_theory("PBE")
        )
        assert len(exchange.read(plain, request).labels) == 4

    def test_a_record_of_units_is_taken_at_its_word(self, plain: Path) -> None:
        frames = ase_read(plain, ":")
        from ase.io import write

        for atoms in frames:
            atoms.info["units"] = json.dumps(exchange.PRESETS["ase"].content())
            atoms.info["theory"] = "PBE in VASP"
        write(plain, frames)
        assert exchange.states_itself(plain)
        found = exchange.read(plain, exchange.Request())
        assert found.statement.theory == exchange.stated_theory("PBE in VASP")
        clash = exchange.Request(conventions=exchange.Conventions(energy="Hartree"))
        with pytest.raises(InvalidInput, match="energy is eV by the file and Hartree by you"):
            exchange.read(plain, clash)

    def test_a_word_about_units_is_no_record_of_them(self, plain: Path) -> None:
        frames = ase_read(plain, ":")
        from ase.io import write

        for atoms in frames:
            atoms.info["units"] = "metal"
        write(plain, frames)
        assert not exchange.states_itself(plain)
        with pytest.raises(InvalidInput, match="no unit of energy is stated"):
            exchange.read(plain, exchange.Request())

    def test_wrong_units_text_lists_the_known(self) -> None:
        from aldata.errors import InvalidParameters

        with pytest.raises(InvalidParameters, match=r"'electronvolt'.*hartree"):
            exchange.Conventions.checked({"energy": "electronvolt"}, "--energy-unit")
        with pytest.raises(InvalidParameters, match="not an order"):
            exchange.Conventions.checked({"voigt": "xx yy zz xy yz"}, "--voigt")

    def test_a_spin_needs_a_meaning(self, plain: Path) -> None:
        frames = ase_read(plain, ":")
        from ase.io import write

        for atoms in frames:
            atoms.info["spin"] = 3
        write(plain, frames)
        theory = exchange.stated_theory("PBE")
        ase = exchange.PRESETS["ase"]
        with pytest.raises(InvalidInput, match="--spin-is"):
            exchange.read(plain, exchange.Request(conventions=ase, theory=theory))
        triplet = ase.model_copy(update={"spin": "multiplicity"})
        found = exchange.read(plain, exchange.Request(conventions=triplet, theory=theory))
        assert set(found.labels.spin) == {2}

    def test_two_theories_in_one_file(self, tmp_path: Path) -> None:
        frames = list(exchange.frames_of(made_labels(ragged(27, 2), 2)))
        frames[1].values["theory_id"] = "a" * 64
        exchange.write(tmp_path / "a.xyz", exchange.own_statement(THEORY, None, {}), frames)
        with pytest.raises(InvalidInput, match="2 levels of theory"):
            exchange.read(tmp_path / "a.xyz", exchange.Request())


def test_missing_keys_and_mixed_lengths_are_named(tmp_path: Path) -> None:
    import h5py

    path = written(tmp_path / "a.h5", made_labels(ragged(29, 3), 2))
    with h5py.File(path, "a") as file:
        del file["config_batch_0/config_1/positions"]
    with pytest.raises(InvalidInput, match="config_1 has no positions"):
        exchange.read(path, exchange.Request())
    path = written(tmp_path / "b.h5", made_labels(ragged(29, 3), 2))
    with h5py.File(path, "a") as file:
        del file["config_batch_0/config_1/positions"]
        file["config_batch_0/config_1/positions"] = np.zeros((11, 3))
    with pytest.raises(InvalidInput, match=r"frame 1: \d atoms, but positions \(11, 3\)"):
        exchange.read(path, exchange.Request())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xyz", made_labels(ragged(31, 1), 2))
    path.chmod(0)
    with pytest.raises(InvalidInput, match="cannot be read"):
        exchange.read(path, exchange.Request())


def test_a_missing_package_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aldata.exchange import formats

    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"pip install 'aldata\[formats\]'"):
        written(tmp_path / "a.parquet", made_labels(ragged(33, 1), 2))


def test_candidates_keep_their_origin(tmp_path: Path) -> None:
    configurations = ragged(35, 3)
    candidates = Candidates(
        **geometry_columns(configurations),
        sampler=[1, 3, 3],
        trajectory=[-1, 0, 4],
        step=[0, 10, 2**40],
        temperature=[0.0, 300.0, 600.0],
        parent_configuration=digest.to_bytes([configurations[0].id] * 3),
        image=[-1, -1, 5],
        bead=[-1, 7, -1],
        sigma=[np.nan, 0.25, np.nan],
    )
    path = tmp_path / "a.parquet"
    exchange.write(path, exchange.own_statement(None, None, {}), exchange.frames_of(candidates))
    import pandas

    table = pandas.read_parquet(path)
    assert table["sampler"].tolist() == ["displacement", "dynamics", "dynamics"]
    assert table["step"].tolist() == [0, 10, 2**40]
    assert table["parent_configuration"].tolist() == [configurations[0].id] * 3
