"""The outside: Mesos, cloud groups, logs, snapshot stores, the web. It translates, and decides nothing."""
