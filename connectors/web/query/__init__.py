"""What the query process serves: streams of rows, the console's files, and the api behind it."""
