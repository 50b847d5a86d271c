"""A real Chromium, with everything noted that a page must not do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, Request

CHROMIUM = "/usr/bin/chromium"
"""Debian's: its release is the distribution's, and its driver comes with playwright, which brings no browser here."""
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Watched:
    """A tab; `complaints` are dialogs, uncaught errors, and what the content security policy had to stop."""

    tab: Page
    complaints: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    """Host and port of each request, in order."""

    def __post_init__(self) -> None:
        self.tab.on("dialog", self._dialog)
        self.tab.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.tab.on("console", self._console)
        self.tab.on("request", self._request)

    async def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        self.hosts.append(urlsplit(request.url).netloc)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser with a new profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def signed_in(
    browser: Browser, url: str, token: str, *, script: bool = True, **more: Any
) -> AsyncIterator[Watched]:
    """Open a tab and sign in by keyboard alone, as the form's focus allows; `more` is of the browser's context."""
    context = await browser.new_context(java_script_enabled=script, accept_downloads=True, **more)
    try:
        watched = Watched(await context.new_page())
        await watched.tab.goto(url)
        await watched.tab.get_by_label("Ops token").fill(token)
        await watched.tab.keyboard.press("Enter")
        await watched.tab.get_by_role("heading", name="Overview").wait_for()
        yield watched
    finally:
        await context.close()


async def until(tab: Page, condition: str, argument: Any = None) -> None:
    """Return once the condition holds; asked from outside, since the page's policy forbids playwright's own way."""
    async with asyncio.timeout(30):
        while not await tab.evaluate(condition, argument):
            await asyncio.sleep(0.05)
