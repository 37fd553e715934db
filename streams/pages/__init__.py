"""What an operator must look at, from the fold and from processes, on its way to a webhook."""
