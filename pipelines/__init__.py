"""The stages of the cycle: each reads artifacts, calls pure functions of aldata, writes, and records."""
