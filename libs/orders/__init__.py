"""The order execution engine: its domain, its use cases and its adapters."""

VERSION = "0.1.0"
"""The release. Equal to that of the distribution and of the chart's images; a test says so."""
