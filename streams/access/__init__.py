"""Access as the processes have it: opened by the settings, at the start."""
