"""The webhooks process: tells receivers by HTTP what becomes of jobs."""
