"""How results are shown: numbers, tables, JSON, CSV, Markdown, Parquet, plots. No formula lives here."""
