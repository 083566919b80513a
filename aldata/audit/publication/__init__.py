"""The provenance of a model in the forms that others read: RO-Crate, .eln and PROV."""

from aldata.audit.publication.crate import write_crate
from aldata.audit.publication.prov import write_prov

FORMATS = {
    "ro-crate": "a Workflow Run RO-Crate: a folder, or a .zip",
    "eln": "the same as an .eln file of electronic lab notebooks, which NOMAD takes as well",
    "prov": "W3C PROV-JSON",
}
"""Forms of provenance, and what each is."""

__all__ = ["FORMATS", "write_crate", "write_prov"]
