"""API v2 as of 2017, for old clients: its spec read into ours, our jobs shown in its shapes."""
