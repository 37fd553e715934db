"""The REST API as a Starlette application; it asks a cell and knows no Kafka."""
