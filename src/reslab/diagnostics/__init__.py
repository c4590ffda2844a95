"""Diagnostics: why a network trains as it does, measured on any network and images."""
