"""The OpenAPI 3.1 description, made from the table of routes and the typed shapes."""
