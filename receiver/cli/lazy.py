"""Groups that know their commands by name and short help, and import them on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from receiver.errors import InvalidQueryError, ReceiverError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group whose `table` maps each command's name to (`module:attribute`, short help)."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table
        # stubs: click reads the names off them to suggest the one that was meant
        self.commands = {name: click.Command(name, short_help=text) for name, (_, text) in table.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        del ctx
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  (a wrong table is a defect)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' section from the table alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._table.items()])


class RootGroup(LazyGroup):
    """The outermost group: turns this service's own errors into one message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; usage and settings exit with 2, every other error of ours with 1."""
        try:
            return super().invoke(ctx)
        except (SettingsError, InvalidQueryError) as e:
            raise WrongUse(_listed(str(e))) from e
        except ReceiverError as e:
            raise failure(str(e)) from e


class WrongUse(click.ClickException):
    """Wrong settings or a wrong question: exit 2, without the usage line that would not help."""

    exit_code = 2


def failure(message: str) -> click.ClickException:
    """Return the exception that prints `Error: message` on stderr and exits with 1."""
    return click.ClickException(message)


def _listed(message: str) -> str:
    """Lay out the settings' problems, one a line."""
    lines = message.splitlines()
    return message if len(lines) == 1 else "\n  ".join([f"{len(lines)} problems:", *lines])
