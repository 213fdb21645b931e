"""Engines to compare with: the same one without group commit, and a plain one."""
