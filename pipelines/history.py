"""What a generation's ancestors hold: found through the chain of manifests, never by globbing.

A stage sees later generations on disk as well; the chain names the earlier ones, by digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from aldata.artifacts.documents import Manifest, Role
from aldata.artifacts.frames import Descriptors, Labels, rows_of
from aldata.artifacts.layout import SEED
from aldata.artifacts.schema import PURPOSES
from aldata.curate import Lineage, chain, check_results, members
from pipelines.stage import Stage


class History:
    """All data sets from the seed to one generation, checked link by link.

    Raises DamagedArtifact naming the first link that does not hold.
    """

    def __init__(self, stage: Stage, generation: str) -> None:
        self.stage = stage
        self.manifests = chain(lambda name: stage.read(Manifest, of=name), generation)

    @cached_property
    def labels(self) -> Labels:
        """Every label of the chain, each the result that its manifest names."""
        parts = []
        for manifest in self.manifests:
            labels = self.stage.read(Labels, of=manifest.generation)
            check_results(manifest, labels)
            parts.append(labels)
        fallbacks = [item for part in parts for item in part.attributes.get("fallbacks", [])]
        more = {"fallbacks": fallbacks} if fallbacks else {}
        return Labels.concatenate(parts, {**parts[-1].attributes, **more})

    @property
    def lineage(self) -> Lineage:
        """The chain as `curate` wants it."""
        return Lineage(manifests=self.manifests, labels=self.labels)

    @property
    def known_ids(self) -> frozenset[str]:
        """Every configuration that was ever asked for in the chain."""
        return frozenset(e.configuration for m in self.manifests for e in m.entries)

    def with_roles(self, roles: Sequence[Role]) -> tuple[Labels, list[Role]]:
        """Accepted labels of these roles, retractions obeyed, and the role of each."""
        found = members(self.manifests)
        pairs = [(call, role) for role in roles for call in found[role]]
        rows = {call: row for row, call in enumerate(self.labels.call_ids)}
        labels = self.labels.take([rows[call] for call, _ in pairs])
        return labels, [role for _, role in pairs]

    @property
    def failed(self) -> Labels:
        """Configurations that an acquisition asked for and that gave no label."""
        asked = np.isin(self.labels.purpose, [PURPOSES.index(p) for p in ("acquired", "probe")])
        rows = np.flatnonzero(asked & ~self.labels.accepted)
        return self.labels.take(
            [r for r in rows.tolist() if np.isfinite(self.labels[r].positions).all()]
        )

    def descriptors(
        self, descriptor_id: str, ids: Sequence[str]
    ) -> tuple[Descriptors | None, set[str]]:
        """Descriptors of these configurations from the chain's stores, and those it does not have.

        Only stores with the same `descriptor_id` count: vectors of different settings do not mix.
        """
        missing, parts = set(ids), []
        for manifest in self.manifests:
            if manifest.generation == SEED or not missing:
                continue
            stored = self.stage.read(Descriptors, of=manifest.generation)
            if stored.attributes["descriptor_id"] != descriptor_id:
                continue
            here = sorted(missing & set(stored.ids))
            parts.append(stored.take(rows_of(stored, here)))
            missing -= set(here)
        joined = Descriptors.concatenate(parts, parts[0].attributes) if parts else None
        return joined, missing
