"""AWS on loopback: moto with AWS' own rules, whose instances are agents of a dev cluster."""
