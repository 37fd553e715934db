"""The `api` process: a fold of the cell's log of its own, and the REST API in front of it."""
