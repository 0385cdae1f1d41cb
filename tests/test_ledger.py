"""How many databases of one domain a teacher may invent, and which it is told to avoid."""

from sense.teaching.ledger import DomainLedger


def test_a_domain_takes_its_quota_and_is_named_before() -> None:
    ledger = DomainLedger(total=1_000)
    assert ledger.quota == 20
    for _ in range(10):
        ledger.keep("Education", "Tea tasting for beginners")
    ledger.keep("Education", "Kite making")
    assert ledger.full("Education") == ["tea tasting"]
    assert ledger.full("Construction") == []
    assert ledger.has_room("tea tasting")
    for _ in range(10):
        ledger.keep("Education", "Tea tasting")
    assert not ledger.has_room("TEA tasting (green)")
