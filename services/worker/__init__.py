"""The worker: takes hints from the queue and executes orders."""
