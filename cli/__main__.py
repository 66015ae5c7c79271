"""`python -m textcnn_cli` is `textcnn`."""

from textcnn_cli.main import main

if __name__ == "__main__":
    main()
