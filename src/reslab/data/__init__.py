"""Images in: where they come from, how they are checked, split, normalised and served in batches."""
