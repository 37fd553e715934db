"""The usage process: asks hosts what tasks use, and publishes it to the topic `metrics`."""
