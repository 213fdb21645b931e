"""A venue that does everything wrong that a venue may do, and keeps honest books of it."""
