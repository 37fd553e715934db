"""The shapes of bodies and answers, as typed structs: what the OpenAPI description is made from."""
