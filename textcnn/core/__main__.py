"""``python -m textcnn.core --wasm``: compile the reader of tables into this installation; without it, the library."""

import sys

from textcnn.core.build import main

if __name__ == "__main__":
    main(sys.argv[1:])
