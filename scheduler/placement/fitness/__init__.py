"""What makes a host good for a task: one small function for each part, each with its cases."""
