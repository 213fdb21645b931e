"""The order execution engine: its domain, its use cases and its adapters."""
