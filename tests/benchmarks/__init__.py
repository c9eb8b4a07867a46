"""Benchmarks, run by hand; each prints a table. See `docs/benchmarks.md`."""
