"""Runs on shares: fetched, pushed, checked before use, and handed over unfinished."""
