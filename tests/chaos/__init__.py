"""The engine under faults, judged by the venue it traded on."""
