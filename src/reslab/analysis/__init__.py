"""Run directories to tidy tables, and statistics on them; only `tidy` reads files."""
