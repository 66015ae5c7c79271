"""Reading of labelled texts: file formats, columns, labels, and corpora stored on disk."""
