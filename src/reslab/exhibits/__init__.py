"""Charts, tables and prose as values, made from tidy tables; rendering is the report's."""
