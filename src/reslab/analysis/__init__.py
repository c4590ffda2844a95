"""Tidy tables of run directories, and statistics on them; only `tidy` reads files."""
