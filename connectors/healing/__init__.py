"""Scripts on hosts, for healing: an allow-list, and who runs what is on it."""
