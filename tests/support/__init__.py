"""What many tests share: a cell in memory, jobs, hosts."""
