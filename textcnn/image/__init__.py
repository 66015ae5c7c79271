"""Reading of images into channels-first arrays, and batches of them."""
