"""Orders, quotes and their rules. Pure: nothing here does I/O, reads a clock or rolls a die."""
