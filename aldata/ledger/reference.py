"""The page docs/calls.md, written from the records themselves.

python -m aldata.ledger.reference > docs/calls.md
"""

from __future__ import annotations

from pydantic import BaseModel

from aldata.artifacts.calls import Attempt, CallRecord, Geometry, RawFile, Source
from aldata.artifacts.documents import Theory
from aldata.artifacts.schema import FAILURES

HEAD = """\
# What is known of a call

A call is one request to the oracle: one configuration at one level of theory. `aldata ledger show CALL` prints all
of the following, `--json` as the records below. This page is written by `python -m aldata.ledger.reference` from the
records themselves.

| question | where it is answered |
|---|---|
| who asked: generation, strategy, score, rank, probe or not | the generations' selections (`generations/<g>/selection.zarr`, `record/selection.json`), not the ledger, which generations and experiments share; `show` joins them |
| about what | `configuration` |
| at which level of theory: code and version, method, basis or cutoff, k-points, smearing, SCF tolerance, sha256 of pseudopotentials | `theory.record` (the exact version and build: `version` of each attempt) |
| the text the code was given | raw files with part `input`, by sha256 |
| how it ran, what it cost | `attempts` |
| how it ended, and the proof of convergence | `status`, `failure`, `converged`, `scf_steps`, `attempts` |
| the result | `energy`, `forces`, `stress`, `net_force` |
| raw input and output files | `.aldata/ledger/raw/<2>/<call_id>/<attempt id>/`, listed with sha256 in `attempts[].files` |

The list follows three archives and their users. [NOMAD](https://nomad-lab.eu) (the section `run` of its archive) and
[AiiDA](https://www.aiida.net) (a `CalcJobNode` and its `JobInfo`) name the fields in the last two columns; what is
empty there has no field of its own. Users of OMat24 asked its authors, after publication, for the exact version of the
code and of the program that wrote its input, for the smearing and for what was changed in the default input files, for
the family of the pseudopotentials (stated wrongly in one place), for the energies of the isolated atoms at the same
settings, and for the definition of the limits by which frames had been removed: all are recorded here, with each call
or in the activity of the stage that asked for it.
"""  # noqa: E501 (cells of a Markdown table)

NAMES: dict[str, tuple[str, str]] = {
    "CallRecord.call_id": ("", "caching hash"),
    "CallRecord.status": ("run.clean_end", "process_state, exit_status"),
    "CallRecord.failure": ("", "exit_status"),
    "CallRecord.message": ("run.message.value", "exit_message"),
    "CallRecord.energy": ("run.calculation.energy.total.value", "output_parameters.energy"),
    "CallRecord.forces": ("run.calculation.forces.total.value", "output_trajectory.forces"),
    "CallRecord.stress": ("run.calculation.stress.total.value", "output_trajectory.stress"),
    "CallRecord.converged": ("run.calculation.calculation_converged", "exit_status"),
    "CallRecord.scf_steps": (
        "run.calculation.n_scf_iterations",
        "output_parameters.scf_iterations",
    ),
    "CallRecord.configuration": ("run.system.atoms", "inputs.structure"),
    "CallRecord.theory": ("run.method", "inputs.parameters, inputs.kpoints, inputs.pseudos"),
    "CallRecord.attempts": ("run", "the restarts of a BaseRestartWorkChain"),
    "Geometry.numbers": ("run.system.atoms.species", "StructureData.sites, kinds"),
    "Geometry.positions": ("run.system.atoms.positions", "StructureData.sites"),
    "Geometry.cell": ("run.system.atoms.lattice_vectors", "StructureData.cell"),
    "Geometry.pbc": ("run.system.atoms.periodic", "StructureData.pbc"),
    "Geometry.charge": ("", "inputs.parameters"),
    "Geometry.spin": ("", "inputs.parameters"),
    "Theory.oracle": ("run.program.name", "process_type"),
    "Theory.settings": ("run.method", "inputs.parameters"),
    "Theory.record": (
        "run.method.dft.xc_functional, .scf.threshold_energy_change, .k_mesh.points, "
        ".electronic.smearing, .electrons_representation",
        "inputs.parameters, inputs.kpoints, inputs.pseudos (md5)",
    ),
    "Attempt.id": ("run.raw_id", "uuid"),
    "Attempt.start": ("run.time_run.date_start", "last_job_info.dispatch_time"),
    "Attempt.end": ("run.time_run.date_end", "last_job_info.finish_time"),
    "Attempt.wall_seconds": (
        "run.calculation.time_calculation",
        "last_job_info.wallclock_time_seconds",
    ),
    "Attempt.cpu_seconds": ("run.time_run.cpu1_end", "last_job_info.cpu_time"),
    "Attempt.host": ("", "last_job_info.allocated_machines, computer"),
    "Attempt.cores": ("", "last_job_info.num_cpus"),
    "Attempt.scheduler_job": ("", "job_id"),
    "Attempt.version": ("run.program.version", "version.plugin, output_parameters"),
    "Attempt.outcome": ("run.clean_end", "scheduler_state, exit_status"),
    "Attempt.exit_code": ("", "last_job_info.exit_status, .terminating_signal"),
    "Attempt.message": ("run.message.value", "exit_message"),
    "Attempt.warnings": ("run.message", "output_parameters.warnings"),
    "Attempt.files": ("run.calculation_file_uri", "base.repository, retrieved"),
}
"""Fields by the names that NOMAD and AiiDA (with the plugin for Quantum ESPRESSO) give them."""

THEORY = {
    "oracle": "name of the oracle in `params.yaml`",
    "settings": "its settings, every default spelled out",
    "record": "all that may change a result; `theory_id` is its sha256",
}

PARTS: tuple[type[BaseModel], ...] = (CallRecord, Geometry, Theory, Attempt, RawFile, Source)


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for record in PARTS:
        summary = (record.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
        parts.append(f"\n## {record.__name__}\n\n{summary}\n\n{_table(record)}")
    parts.append(f"\nClasses of failure: {', '.join(f'`{name}`' for name in FAILURES)}.\n")
    return "".join(parts)


def _table(record: type[BaseModel]) -> str:
    lines = ["| field | meaning | NOMAD | AiiDA |", "|---|---|---|---|"]
    for name, field in record.model_fields.items():
        meaning = field.description or THEORY.get(name, "")
        nomad, aiida = NAMES.get(f"{record.__name__}.{name}", ("", ""))
        lines.append(f"| `{name}` | {meaning} | {nomad} | {aiida} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
