"""What a task can ask its host: who it is, credentials of its role, an identity it can show."""
