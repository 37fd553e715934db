"""Providers of volumes and the box that asks them."""
