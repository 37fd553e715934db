"""The settings, a module for each topic; `streams/settings.py` reads them all."""
