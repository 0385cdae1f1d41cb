"""Fields of work and the domains that were given in them: who invents shall not repeat themselves.

A request names a field, whose share the plan decides, and the domains of it that have had their
quota of questions; the teacher chooses a domain within the field.
"""

import re
from collections import Counter, defaultdict

FIELDS = (
    "Agriculture, forestry and fishing",
    "Mining and quarrying",
    "Manufacturing",
    "Electricity, gas and heat supply",
    "Water supply, sewerage and waste",
    "Construction",
    "Wholesale and retail trade, repair of vehicles",
    "Transportation and storage",
    "Accommodation and food service",
    "Publishing, broadcasting and telecommunication",
    "Financial and insurance activities",
    "Real estate",
    "Professional, scientific and technical activities",
    "Administrative and support services",
    "Public administration and defence",
    "Education",
    "Human health and social work",
    "Arts, sports and recreation",
    "Associations, repair of household goods and personal services",
    "Households and private life",
)
"""The sections of the International Standard Industrial Classification, Rev. 4 (United Nations,
2008), in shorter words and without extraterritorial organizations: together they cover what people
do, so that none is over-represented."""

DOMAIN_SHARE = 0.02
"""Of a set at most this part comes from one domain."""
MIN_DOMAIN_ROWS = 6
"""In a small set a domain may have this many."""
MAX_NAMED_DOMAINS = 30
"""Domains that a request names."""


class DomainLedger:
    """How many questions each domain has, kept ones and those that were not."""

    def __init__(self, total: int) -> None:
        """total: rows of the set."""
        self.quota = max(MIN_DOMAIN_ROWS, round(DOMAIN_SHARE * total))
        self.given: Counter[str] = Counter()
        """Domain -> answers that chose it."""
        self._kept: Counter[str] = Counter()
        self._domains: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, domain: str) -> None:
        """Counts an answer that chose the domain."""
        self.given[domain_name(domain)] += 1

    def has_room(self, domain: str) -> bool:
        return self._kept[domain_name(domain)] < self.quota

    def keep(self, field: str, domain: str) -> None:
        """Counts a kept question of a domain in the field."""
        self._kept[domain_name(domain)] += 1
        self._domains[field].add(domain_name(domain))

    def full(self, field: str) -> list[str]:
        """Domains of the field with half of their quota or more, the fullest first.

        A round asks several times before anything is counted: at the quota it would be too late.
        """
        counts = [(name, self._kept[name]) for name in self._domains[field]]
        full = [(name, num) for name, num in counts if num >= (self.quota + 1) // 2]
        return [name for name, _ in sorted(full, key=lambda item: (-item[1], item[0]))][
            :MAX_NAMED_DOMAINS
        ]


def domain_name(domain: str) -> str:
    """The domain without what only details it, so that near repetitions are counted together.

    >>> domain_name("Beekeeping and honey sales (small farms)")
    'beekeeping'
    >>> domain_name("E-commerce returns - small shops")
    'e-commerce returns'
    """
    head = re.split(r"[,;:(/&]|\s[-\u2013\u2014]+\s|\band\b|\bfor\b", domain.lower(), maxsplit=1)[0]
    return " ".join(head.split()) or " ".join(domain.lower().split())
