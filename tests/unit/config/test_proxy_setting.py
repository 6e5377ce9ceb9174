"""A proxy that could not be used is refused with the file and not found out at the first call."""

from __future__ import annotations

import pytest

from bridge.config import values


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "socks5h://user:secret@proxy.example.org:1080"])
def test_a_socks_proxy_says_what_it_needs(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert values.check_proxy(proxy) == proxy
    monkeypatch.setattr(values, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"sms-bridge\[socks\]") as raised:
        values.check_proxy(proxy)
    assert "secret" not in str(raised.value)
    assert values.check_proxy("http://127.0.0.1:3128") == "http://127.0.0.1:3128"
