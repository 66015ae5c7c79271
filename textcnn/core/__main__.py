"""Command ``python -m textcnn.core``: build the C library, or with ``--wasm`` the WebAssembly table reader."""

import sys

from textcnn.core.build import main

if __name__ == "__main__":
    main(sys.argv[1:])
