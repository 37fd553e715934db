"""What each constraint means: which hosts it refuses, in words, and how it weighs them."""
