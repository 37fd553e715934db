"""The outside: Mesos, cloud groups, logs, snapshot stores, the web; it decides nothing."""
