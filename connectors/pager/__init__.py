"""Pages for operators, sent to a webhook."""
