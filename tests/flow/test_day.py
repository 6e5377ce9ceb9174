"""The day that the documents show is the one that the sandbox plays."""

from __future__ import annotations

from tests.flow.day import DOCUMENTS, done, played, printed, told


async def test_the_documents_show_the_day_as_it_goes() -> None:
    day = await played()
    assert len(done(day)) > 30
    for document in DOCUMENTS:
        # python -m tests.flow.day writes them anew
        assert done(printed(document)) == done(day)
        assert told(printed(document)) == told(day), f"{document.name} shows what is not so"
