"""Measurements of the whole engine. `python -m benchmarks --help`."""
