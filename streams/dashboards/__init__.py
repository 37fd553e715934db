"""The dashboards that are delivered, as files, and how an operator's own ones are found."""
