"""Scripts on hosts, and who runs them."""
