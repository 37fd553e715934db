"""The job descriptor of Titus' API v3, read and written."""
