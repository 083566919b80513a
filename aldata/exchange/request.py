"""What a user says about a file, and wants of it."""

from __future__ import annotations

from aldata.artifacts.documents import Theory
from aldata.exchange.conventions import Conventions
from aldata.records import Record


class Request(Record):
    """What a user says about a file, and what is wanted of it.

    conventions and theory complete what the file states; keys names quantities that have another name
    there, such as {"energy": "dft_energy"}; charge and spin (unpaired electrons) are those of frames
    that state none. labelled: energies and forces are wanted, not only geometries.
    """

    format: str | None = None
    conventions: Conventions = Conventions()
    theory: Theory | None = None
    keys: dict[str, str] = {}
    charge: int = 0
    spin: int = 0
    labelled: bool = True
    accept_changed_ids: bool = False
