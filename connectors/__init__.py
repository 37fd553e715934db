"""The outside: Mesos, cloud groups, logs, snapshot stores, the web. Connectors translate, and decide nothing."""
