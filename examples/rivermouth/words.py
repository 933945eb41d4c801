"""Word lists from which the clinic's people get their facts."""

import itertools

# One word a line would make this file five times as long.
# fmt: off
AREA_CODES = (
    "201", "202", "203", "205", "206", "207", "208", "209", "210", "212", "213", "214", "215", "216", "217",
    "218", "219", "225", "228", "229", "231", "234", "239", "240", "248", "251", "252", "253", "254", "256",
    "260", "262", "267", "269", "270", "276", "281", "301", "302", "303", "304", "305", "307", "308", "309",
    "310", "312", "313", "314", "315", "316", "317", "318", "319", "320", "321", "323", "325", "330", "334",
    "336", "337", "347", "351", "352", "360", "361", "386", "401", "402", "404", "405", "406", "407", "408",
    "409", "410", "412", "413", "414", "415", "417", "419", "423",
)
MAIL_HOSTS = (
    "post", "mail", "letters", "inbox", "harbour", "pier",
)
MAIL_SUFFIXES = (
    "example.org", "example.net", "example.com",
)
MAIL_WORDS = (
    "amber", "anchor", "apple", "basil", "birch", "bison", "cedar", "cello", "chalk", "clover", "comet",
    "copper", "coral", "cotton", "crane", "dahlia", "delta", "ember", "falcon", "fern", "fiddle", "flint",
    "garnet", "ginger", "hazel", "heron", "indigo", "ivory", "jasper", "juniper", "kettle", "lantern",
    "lemon", "linen", "lotus", "maple", "marble", "meadow", "mint", "moss", "nickel", "nutmeg", "olive",
    "onyx", "orchid", "otter", "pebble", "pepper", "plum", "quartz", "raven", "saffron", "sage", "sparrow",
    "thistle", "tulip", "velvet", "walnut", "willow",
)
STREET_FIRST = (
    "Alder", "Bramble", "Canal", "Clay", "Cooper", "Dock", "Dover", "Elm", "Ferry", "Forge", "Gable",
    "Granary", "Harbour", "Heath", "Hill", "Iron", "Kiln", "Larch", "Lock", "Market", "Mill", "Minster",
    "North", "Orchard", "Otter", "Park", "Quarry", "Reed", "Salt", "Sandy", "Ship", "South", "Spring",
    "Tanner", "Tide", "Vine", "Weaver", "West",
)
STREET_SECOND = (
    "", "", "Bridge", "Field", "Gate", "Green", "Quay", "Side", "View", "Wood",
)
STREET_TYPES = (
    "Lane", "Street", "Road", "Avenue", "Court", "Way", "Terrace", "Drive",
)
OCCUPATIONS = (
    "accountant", "anaesthetist", "archivist", "audiologist", "baker", "biologist", "bookkeeper", "caretaker",
    "chemist", "cleaner", "clerk", "cook", "counsellor", "dentist", "dietician", "driver", "electrician",
    "gardener", "interpreter", "janitor", "librarian", "midwife", "nurse", "optician", "orderly", "paramedic",
    "pharmacist", "phlebotomist", "physician", "physicist", "plumber", "porter", "psychologist",
    "radiographer", "receptionist", "secretary", "surgeon", "technician", "therapist", "welder",
)
DEPARTMENTS = (
    "cardiology", "catering", "dermatology", "geriatrics", "logistics", "maternity", "neurology", "oncology",
    "paediatrics", "pathology", "radiology", "records", "rehabilitation", "reception", "surgery", "urology",
)
TOWNS = tuple(
    first + second
    for first, second in itertools.product(
        ("Ash", "Brack", "Corn", "Dun", "Fen", "Hollow", "Marl", "Oster", "Pen", "Wind"),
        ("bury", "ford", "mere", "wick"),
    )
)
# fmt: on
