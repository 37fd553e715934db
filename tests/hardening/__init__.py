"""What is dangerous in the code, found by scanners and rules of our own."""
