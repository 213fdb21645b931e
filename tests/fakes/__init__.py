"""Stand-ins that behave: each passes the same conformance suite as what it stands in for."""
