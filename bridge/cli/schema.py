"""``sms-bridge schema``: prints the JSON Schema of the files that people write, for their editors."""

from __future__ import annotations

from typing import cast

import click

from bridge.cli.common import print_json
from bridge.editor import Kind, json_schema
from bridge.model.base import LANGUAGES, Language


@click.command()
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]))
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
def schema(kind: str, language: str) -> None:
    """Print the JSON Schema of rule files or of config.yaml.

    An editor that knows it completes keys and marks mistakes as you type. A file names its schema in the first line:

    # yaml-language-server: $schema=../schema/rules.schema.json
    """
    print_json(json_schema(Kind(kind), cast(Language, language)))
