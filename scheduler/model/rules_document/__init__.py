"""The policy as a document that people write: read strictly, checked as a whole, written back."""
