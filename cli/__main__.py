"""Runs `textcnn` as `python -m textcnn_cli`."""

from textcnn_cli.main import main

if __name__ == "__main__":
    main()
