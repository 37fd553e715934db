"""The Mesos v1 HTTP wire as a server sees it: shapes of calls, framing, streams of events."""
