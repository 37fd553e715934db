"""The REST API as an ASGI application; it asks a cell and knows no Kafka."""
