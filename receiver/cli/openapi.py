"""`receiver openapi`: the document that the service serves, for whoever makes a client from it."""

from __future__ import annotations

import click

from receiver.api import openapi as described
from receiver.cli.output import print_json


@click.command()
def openapi() -> None:
    """Print the API's description (OpenAPI 3.1), as `GET /openapi.json` answers it; it needs no settings."""
    print_json(described.document())
