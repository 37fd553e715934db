"""How each kind of event changes the state; called by `Machine.apply` only."""
