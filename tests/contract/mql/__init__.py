"""What MQL answers, asked of the engine that its users know, question by question."""
