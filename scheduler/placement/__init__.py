"""Which host runs which task: rules that refuse, a fitness that prefers, one round over both."""
