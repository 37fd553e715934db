"""The tests, a folder for each kind of question that they answer."""
