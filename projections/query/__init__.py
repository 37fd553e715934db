"""MQL: questions about streams of events, parsed, checked and answered."""
