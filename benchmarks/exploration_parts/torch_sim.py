"""torch-sim, in an environment of its own, with the same model."""

from __future__ import annotations

import argparse
from pathlib import Path

from exploration_parts.subjects import subject
from exploration_parts.ways import COPIES

TORCH_SIM = """
import sys, time, json, warnings
warnings.simplefilter("ignore")
import torch, ase.io
torch.set_num_threads(1)
import torch_sim as ts
from torch_sim.models.mace import MaceModel
langevin = getattr(ts, "nvt_langevin", None) or ts.Integrator.nvt_langevin
model_file, start, steps, copies = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
model = MaceModel(model=torch.load(model_file, weights_only=False).float(), device=torch.device("cpu"),
                  dtype=torch.float32, compute_forces=True, compute_stress=False)
atoms = ase.io.read(start)
atoms.pbc = False
atoms.cell = [50.0, 50.0, 50.0]
def run(n):
    ts.integrate(system=[atoms] * copies, model=model, integrator=langevin, n_steps=n,
                 temperature=300, timestep=0.0005)
run(5)
parts = []
for _ in range(5):
    cpu = time.process_time()
    run(steps // 5)
    parts.append((time.process_time() - cpu) / (steps // 5 * copies))
print(json.dumps({"least": min(parts)}))
"""


def torch_sim_commands(arguments: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The commands of torch-sim, in an environment of its own."""
    import torch
    from ase.io import write

    from aldata.artifacts.conversion import to_atoms
    from aldata.potentials.export import contained, to_mace

    checkpoint, start = subject(arguments)
    with contained():
        torch.save(to_mace(checkpoint, 0, "float32"), folder / "member.model")
    write(folder / "start.xyz", to_atoms(start))
    (folder / "run.py").write_text(TORCH_SIM)
    files = [str(folder / name) for name in ("run.py", "member.model", "start.xyz")]
    counts = {"torch-sim": 1, "torch-sim, 8 in one graph": COPIES}
    return {
        way: [arguments.torch_sim, *files, str(arguments.steps), str(copies)]
        for way, copies in counts.items()
    }
