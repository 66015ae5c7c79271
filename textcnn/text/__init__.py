"""From labelled files to batches of token ids."""
