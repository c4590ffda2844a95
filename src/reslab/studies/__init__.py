"""One file a question: what varies, what was expected, what the report shows and says."""
