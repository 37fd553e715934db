"""Who is told of alerts: webhooks, topics of SNS, the log."""
