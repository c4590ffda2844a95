"""Images: where they come from, and how they are checked, split, normalised and served in batches."""
