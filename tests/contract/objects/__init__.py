"""What every store of objects promises, asked of each."""
