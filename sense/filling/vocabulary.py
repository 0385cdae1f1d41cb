"""Words in the names of columns and tables, and the values that go with them, for `values`.

Each table is ordered: the first entry one of whose words occurs in a name decides.
"""

CATEGORIES: tuple[tuple[str, str], ...] = (
    ("method", "credit card|cash|bank transfer|cheque|voucher"),
    ("gender sex", "F|M"),
    ("marital", "single|married|divorced|widowed"),
    ("status stage", "active|inactive|pending|closed|suspended|completed"),
    ("priority urgency severity", "low|medium|high|critical"),
    ("level difficulty", "beginner|intermediate|advanced|expert"),
    ("size", "small|medium|large|extra large"),
    ("shape", "round|square|oval|long|flat"),
    ("color colour", "red|blue|green|black|white|yellow|grey|brown"),
    ("genre", "Drama|Comedy|Action|Jazz|Rock|Mystery|Romance|Documentary"),
    ("cuisine food", "Italian|Mexican|Thai|French|Indian|Chinese|Greek"),
    ("weather", "sunny|rainy|cloudy|windy|snowy"),
    ("season", "spring|summer|autumn|winter"),
    ("semester term", "Fall|Spring|Summer"),
    ("weekday day", "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
    (
        "month",
        "January|February|March|April|May|June|July|August|September|October|November|December",
    ),
    ("currency", "USD|EUR|GBP|JPY|CHF|CAD"),
    ("unit", "kg|litre|piece|metre|box"),
    ("continent", "Africa|Asia|Europe|North America|South America|Oceania"),
    ("region zone area", "North|South|East|West|Central|Coastal"),
    ("result outcome decision", "win|loss|draw|cancelled"),
    ("grade", "A|B|C|D|F"),
    ("degree", "Bachelor|Master|Doctorate|Diploma"),
    ("major subject", "Biology|History|Physics|Economics|Mathematics|Philosophy|Chemistry"),
    ("instrument", "guitar|drums|piano|violin|bass|trumpet|flute"),
    ("sport", "football|tennis|hockey|basketball|swimming|cycling"),
    ("material", "wood|steel|glass|plastic|cotton|stone"),
    ("fuel", "petrol|diesel|electric|hybrid"),
    ("pet species animal", "cat|dog|bird|horse|rabbit|turtle"),
    ("blood", "A|B|AB|0"),
    ("party", "Liberal|Conservative|Green|Labour|Independent"),
    ("religion", "Christian|Muslim|Hindu|Buddhist|none"),
    ("position", "left|right|centre|front|back"),
    ("role", "lead|assistant|manager|member|guest"),
    ("type kind category class group style mode", "standard|premium|basic|special|classic|mixed"),
)
"""Words of a text column and the few values that it then has, so that GROUP BY has groups."""

CONTACTS: tuple[tuple[str, str], ...] = (
    ("email|e mail|mail", "email"),
    ("phone|telephone|fax|mobile|cell", "phone"),
    ("url|uri|website|homepage|web|link|site", "url"),
    ("first name|fname|firstname|given name|forename|middle name", "first_name"),
    ("last name|lname|lastname|surname|family name", "last_name"),
    ("user name|username|login|nickname", "user_name"),
    ("country code", "country_code"),
    ("nationality|citizenship|country name|country", "country"),
    ("zip|postcode|postal|zipcode", "zip"),
)
"""Words or phrases that decide before `name` and the categories do -> kind of text."""

TEXTS: tuple[tuple[str, str], ...] = (
    ("language", "language"),
    ("address", "address"),
    ("street", "street"),
    ("state|province|county|district|neighbourhood|neighborhood", "state"),
    ("city|town|hometown|birthplace|capital|location|destination|origin|place|venue", "city"),
    ("job|occupation|profession", "job"),
    ("company|employer|manufacturer|maker|brand|publisher|sponsor|organization", "company"),
    ("department|dept", "department"),
    ("title|headline|keyword|topic|song|album|course|label", "title"),
    ("description|comment|comments|note|notes|summary|abstract|text|content|details", "text"),
    ("review|remark|remarks|bio|biography|message|question|answer|reason|detail", "text"),
)
"""Words that decide after `name` and the categories -> kind of text."""

NAMED_THINGS: tuple[tuple[str, str], ...] = (
    ("airport", "{city} Airport"),
    ("station stop", "{city} Central"),
    ("stadium arena track circuit", "{city} Arena"),
    ("school university college institution", "{city} University"),
    ("hospital clinic", "{city} Clinic"),
    ("museum gallery", "{city} Museum"),
    ("hotel inn", "Hotel {last_name}"),
    ("restaurant cafe bar business pub", "{last_name}'s {noun}"),
    ("team club", "{city} {noun}s"),
    ("river", "{noun} River"),
    ("lake", "Lake {last_name}"),
    ("mountain peak", "Mount {last_name}"),
    ("park garden", "{noun} Park"),
    ("ship boat vessel", "{adjective} {noun}"),
    ("city town county district location capital place geographic", "{city}"),
    ("state province", "{state}"),
    ("country nation", "{country}"),
    ("language", "{language}"),
    ("company organization organisation manufacturer brand maker publisher supplier", "{company}"),
    ("vendor airline sponsor bank store shop studio label agency", "{company}"),
    ("department dept", "{department}"),
    ("course subject class", "Introduction to {noun}s"),
    ("conference journal venue", "Journal of {noun} Studies"),
    ("dataset keyphrase keyword topic domain tag", "{noun} {noun2}"),
    ("product item part dish drink", "{adjective} {noun}"),
)
"""Words that say what a name belongs to -> how such a name is made; people and the rest follow."""

PEOPLE = """
    person people user customer client student teacher employee staff member author writer actor
    director producer artist singer musician player coach manager owner president doctor patient
    physician nurse guest visitor passenger pilot driver captain contact leader mayor candidate
    participant host reviewer editor instructor professor faculty friend reader buyer seller officer
    head chef judge tourist tenant dentist resident band bandmate winner boss cashier politician
    journalist child parent spouse
"""

THINGS_IN_ER = """
    river computer theater order tower center harbour harbor chapter paper semester quarter letter
    flower sensor color motor number printer power water super poster folder container register
    tender border layer server router tracker newsletter transfer career counter matter character
    floor door error vector factor sector major minor
"""
"""Words that end like the names of people who do something, but are none."""

NUMBERS: tuple[tuple[str, float, float, int], ...] = (
    ("age", 18, 75, 0),
    ("latitude lat", -60, 70, 5),
    ("longitude lon lng long", -180, 180, 5),
    ("percent percentage pct share humidity ratio", 0, 100, 1),
    ("gpa", 1.5, 4, 2),
    ("rating stars", 1, 5, 1),
    ("grade", 1, 10, 0),
    ("level", 1, 10, 0),
    ("score mark marks points point", 0, 100, 1),
    ("salary income wage", 18_000, 150_000, 2),
    ("budget revenue gross sales profit assets turnover worth market", 10_000, 90_000_000, 2),
    ("price cost fee fare amount total payment balance charge tax discount money", 5, 900, 2),
    ("population inhabitants", 2_000, 20_000_000, 0),
    ("elevation altitude", 1, 4_500, 0),
    ("area", 10, 500_000, 1),
    ("density", 1, 2_000, 2),
    ("capacity attendance seating", 200, 80_000, 0),
    ("height", 120, 210, 1),
    ("weight mass", 1, 150, 1),
    ("distance length mileage width depth", 1, 900, 1),
    ("duration minutes runtime", 2, 240, 0),
    ("speed horsepower", 20, 320, 1),
    ("temperature temp celsius", -15, 40, 1),
    ("quantity qty stock", 1, 200, 0),
    ("count num number views votes citation reference visits likes", 0, 500, 0),
    ("rank ranking position place priority sequence order round", 1, 30, 0),
    ("hour", 1, 40, 0),
    ("week", 1, 52, 0),
    ("month", 1, 12, 0),
    ("day", 1, 28, 0),
    ("floor storey season", 1, 15, 0),
    ("credit", 1, 12, 0),
)
"""Words of a column's name, smallest and largest value, digits after the point where it has any."""

ADJECTIVES = """
    Silver Quiet Golden Hidden Northern Bright Broken Crimson Distant Early Electric Empty Endless
    Gentle Green Hollow Iron Last Little Long Lost Midnight Old Open Pale Purple Rapid Red Royal
    Secret Short Slow Small Solar Still Stone Summer White Wild Winter
"""

NOUNS = """
    Harbor Garden Compass Mirror Lantern River Signal Machine Forest Bridge Castle Circle Cloud
    Crown Desert Dream Engine Falcon Feather Field Flame Glacier Hammer Horizon Island Journey
    Kettle Ladder Legend Letter Meadow Memory Mountain Ocean Orchard Paper Pearl Planet Puzzle
    Rocket Shadow Ship Star Station Storm Stream Table Temple Theory Thunder Tiger Tower Travel
    Valley Voice Wagon Wheel Window Wolf Wonder
"""

DEPARTMENTS = """
    Sales Marketing Finance Research Logistics Legal Engineering Design Support Procurement
    Security Training Biology Physics History Chemistry Mathematics Economics Music Philosophy
"""
