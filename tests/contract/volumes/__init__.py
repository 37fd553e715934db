"""What providers of volumes promise, asked of the real thing."""
