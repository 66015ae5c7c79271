"""`textcnn data`."""

import typer

app = typer.Typer(help="Data sets: list, get, check.", no_args_is_help=True)
