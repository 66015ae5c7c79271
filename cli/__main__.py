"""`python -m textcnn_cli` is `textcnn`."""

from textcnn_cli.main import main

main()
