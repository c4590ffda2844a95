"""Networks, what they cost, and their weights on disk."""
