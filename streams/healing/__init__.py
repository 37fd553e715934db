"""The lane of a leader that runs healing's scripts on hosts."""
