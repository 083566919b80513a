"""The nouns: configurations, labels, descriptors, predictions, selections, data sets, checkpoints."""
