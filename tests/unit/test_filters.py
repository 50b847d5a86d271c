"""The table of filters against the surfaces that derive from it: the command's options and the page's form."""

from __future__ import annotations

import pytest

from receiver.catalogue import FILTERS, Filter
from receiver.catalogue.kinds import Shape
from receiver.cli import filters as cli_filters
from receiver.cli.recordings import list_
from receiver.page.filters import SHOWN, filter_fields
from receiver.page.listing import Asked
from tests.support.clock import NOW

WITHOUT_OPTION = {
    "created_at[gt]",
    "created_at[lte]",
    *(f"{name}[{sign}]" for name in ("archived_at", "start_date") for sign in ("gt", "gte", "lt", "lte")),
    *(f"{name}[{sign}]" for name in ("size_bytes", "duration_s") for sign in ("gt", "lt")),
}
"""Left to the API on purpose; a filter that is in the table and not here has an option."""
WITHOUT_FIELD = {"state", "participant_id", *WITHOUT_OPTION}
"""Kept by the page and not shown in its form: it has tabs for the state."""
EVERY = pytest.mark.parametrize("one", FILTERS, ids=lambda one: one.name)
TEXTS = {Shape.TEXT: "x-1", Shape.WORDS: "weekly sync", Shape.NUMBER: "7", Shape.TIME: NOW.isoformat()}


def text_of(one: Filter[object]) -> str:
    return one.kind.choices[0] if one.kind.choices else TEXTS[one.kind.shape]


def test_no_name_is_given_twice() -> None:
    for names in (
        [one.name for one in FILTERS],
        [one.option.flag for one in FILTERS if one.option],
        [one.field.label for one in FILTERS if one.field],
    ):
        assert len(set(names)) == len(names)


@EVERY
def test_a_filter_is_an_option_of_the_command_which_asks_for_the_same(one: Filter[object]) -> None:
    assert (one.option is None) == (one.name in WITHOUT_OPTION)
    if one.option is None:
        return
    text = text_of(one)
    found = list_.make_context("list", [one.option.flag, text])
    assert list(cli_filters.pairs(found.params)) == [(one.name, text)]
    assert one.option.help in " ".join(list_.get_help(found).split())


@EVERY
def test_a_filter_is_a_field_of_the_pages_form_which_keeps_what_was_asked(one: Filter[object]) -> None:
    assert (one.field is None) == (one.name in WITHOUT_FIELD)
    text = text_of(one)
    asked = Asked(path="/", pairs=((one.name, text),))
    found = {field.attributes["name"]: field for field in filter_fields(asked)}
    assert set(found) == SHOWN
    if one.field is None:
        assert asked.without(SHOWN) == [(one.name, text)], "a hidden input keeps it"
    else:
        assert (found[one.name].label, found[one.name].attributes["value"]) == (one.field.label, text)
        assert asked.without(SHOWN) == []
