"""Parts of the benchmarks of exploration."""
