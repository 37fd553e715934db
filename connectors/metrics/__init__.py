"""Sources of metrics that scaling policies follow, behind the port `connectors.ports.MetricSource`.

The one thing to know: a source answers one question and decides nothing. Whether a value makes
sense, how often is asked and when a source is left alone is with who asks (`streams.autoscale`).
"""
