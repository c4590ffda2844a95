"""Diagnostics: why a network trains as it does, measured on the network and some images; knows neither's origin."""
