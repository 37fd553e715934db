"""What an operator sees at a glance: a cell's hosts, waits, marks and lines in small columns."""
