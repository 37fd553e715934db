"""Time travel, read side: differences, causes and effects, and histories made again from notes."""
