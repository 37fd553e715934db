"""What the query process keeps by name: saved queries, streams that run for ever, dashboards."""
