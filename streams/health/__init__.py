"""The health process: host logs read in batches, judged, and told as verdicts; and the tail."""
