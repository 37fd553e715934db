"""Who may do what: principals, how they prove who they are, and the one decision about them."""
