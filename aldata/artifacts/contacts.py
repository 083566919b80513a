"""What a geometry alone tells: its closest contact and how many pieces it has.

Distances are measured in units of the sum of the two covalent radii (Cordero et al., Dalton Trans.
2008, 2832, as tabulated by ASE), so that one number fits every pair of elements.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aldata.artifacts.conversion import to_atoms
from aldata.artifacts.frames import Configuration

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


def pairs_within(configuration: Configuration, factor: float) -> Pairs:
    """Pairs of atoms closer than `factor` times the sum of their covalent radii.

    Returns
    -------
    first, second (pair,) : atom indices, every pair in both directions; an atom of a periodic cell
        may be paired with its own image.
    ratio (pair,) : distance / sum of covalent radii, < `factor`.
    """
    from ase.data import covalent_radii

    radii = covalent_radii[configuration.numbers]
    if configuration.pbc.any():
        return _periodic_pairs(configuration, radii, factor)
    span = configuration.positions[:, None, :] - configuration.positions[None, :, :]
    ratio = np.linalg.norm(span, axis=-1) / (radii[:, None] + radii[None, :])
    np.fill_diagonal(ratio, np.inf)
    first, second = np.nonzero(ratio < factor)
    return first, second, ratio[first, second]


def _periodic_pairs(
    configuration: Configuration, radii: npt.NDArray[np.float64], factor: float
) -> Pairs:
    from ase.neighborlist import neighbor_list

    first, second, distance = neighbor_list("ijd", to_atoms(configuration), radii * factor)
    return first, second, distance / (radii[first] + radii[second])


def closest_contact(configuration: Configuration, below: float = 1.0) -> float:
    """Smallest distance / sum of covalent radii over all pairs; infinity if none is < `below`."""
    ratio = pairs_within(configuration, below)[2]
    return float(ratio.min()) if len(ratio) else float("inf")


def fragments(configuration: Configuration, factor: float) -> int:
    """Number of pieces when atoms closer than `factor` sums of covalent radii are joined."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second, _ = pairs_within(configuration, factor)
    n = len(configuration)
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return int(connected_components(graph, directed=False)[0])
