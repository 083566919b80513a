"""The systems of a study, by name."""

from study import emt, published

SYSTEMS = {
    "emt": emt.SYSTEM,
    "acetylacetone_redundant": published.REDUNDANT,
    "acetylacetone_balanced": published.BALANCED,
    "silicon": published.SILICON,
}
