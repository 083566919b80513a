"""Datasets, provenance and active learning for machine-learned interatomic potentials.

The library's verbs are folders of the same name: seed, explore, describe, acquire, label, curate, train,
calibrate, evaluate. The nouns are in `aldata.artifacts`. The command is `aldata`.
"""
