"""Runs elsewhere: fetched, pushed, checked before use, and handed over unfinished."""
