"""Reading labelled texts: one reader for each format, columns, labels, stored corpora."""
