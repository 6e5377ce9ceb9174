"""``sms-bridge balance``: asks the platform for the balance, which also proves the login."""

from __future__ import annotations

import click
from rich.markup import escape

from bridge.cli.common import config_option, console, fail, json_option, plain, print_json, run_async, settings_of
from bridge.config import AccountSettings
from bridge.errors import PlatformError
from bridge.model.answers import Balance
from bridge.model.base import Json


@click.command()
@click.argument("account", required=False)
@config_option
@json_option
def balance(account: str | None, config: str | None, as_json: bool) -> None:
    """Ask the platform for the balance of ACCOUNT (default: of all). Costs nothing and proves the login."""
    settings = settings_of(config, quiet=as_json)
    if account is not None and account not in settings.accounts:
        fail(f"there is no account `{account}`; configured: {', '.join(settings.accounts)}")
    names = [account] if account is not None else list(settings.accounts)
    answers = run_async(lambda: ask({name: settings.accounts[name] for name in names}))
    if as_json:
        print_json({name: row(answer) for name, answer in answers.items()})
    else:
        for name, answer in answers.items():
            show(name, answer)
    if any(isinstance(answer, PlatformError) for answer in answers.values()):
        fail("at least one account did not answer: check url, login and password")


async def ask(accounts: dict[str, AccountSettings]) -> dict[str, Balance | PlatformError]:
    from bridge.platforms.choice import platform_of

    answers: dict[str, Balance | PlatformError] = {}
    for name, settings in accounts.items():
        platform = platform_of(settings)
        try:
            answers[name] = await platform.balance()
        except PlatformError as error:
            answers[name] = error
        finally:
            await platform.close()
    return answers


def row(answer: Balance | PlatformError) -> Json:
    if isinstance(answer, PlatformError):
        return {"error": str(answer)}
    directions: dict[str, Json] = dict(answer.directions)
    return {"amount": answer.amount, "currency": answer.currency, "directions": directions}


def show(name: str, answer: Balance | PlatformError) -> None:
    if isinstance(answer, PlatformError):
        console().print(f"{name}: [red]{escape(plain(str(answer)))}[/red]", soft_wrap=True)
        return
    console().print(f"{name}: [bold]{answer.amount:.2f}[/bold] {answer.currency}")
    for direction, amount in answer.directions:
        console().print(f"  {plain(direction)}: {amount:.2f}", markup=False)
