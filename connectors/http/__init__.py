"""What is common to all HTTP servers here."""
