"""An incident: all that matters of a stretch of the log, gathered for people."""
