"""Charts, tables and prose as values, made from tidy tables; `reslab.report` renders them."""
