"""Short biographies: the first sentence has the full name, the others the first name alone."""

from examples.labs.styles.style import Style

BIOGRAPHIES = Style(
    leads=(
        "This page is about {subject}. ",
        "{subject} has been with us for years. ",
        "Meet {subject}, a friend of the house. ",
    ),
    wordings={
        "phone": (
            "{first} answers calls on",
            "Those who want to talk to {first} dial",
            "{first} keeps an old telephone with the number",
            "The phone of {first} rings at",
            "One can ring {first} at",
            "{first} never changed the mobile number",
        ),
        "email": (
            "{first} likes mail to",
            "Readers e-mail {first} at",
            "{first} can be written to at",
            "Fans of {first} send mail to",
            "{first} opened the mailbox",
            "The contact of {first} online is",
        ),
        "ssn": (
            "{first} was given the social security number",
            "The papers of {first} show SSN",
            "{first} signs forms with SSN",
            "The state knows {first} by SSN",
            "{first} is in the social security files as",
            "The employer of {first} noted SSN",
        ),
        "address": (
            "{first} has a house at",
            "{first} bought the home at",
            "The garden of {first} lies behind",
            "{first} invites guests to",
            "The neighbours meet {first} at",
            "{first} lives quietly at",
        ),
        "card": (
            "{first} shops with credit card",
            "The purchases of {first} go on card",
            "{first} carries credit card",
            "The bank gave {first} the card",
            "{first} pays for everything with card",
            "Tickets for {first} are booked on card",
        ),
        "occupation": (
            "{first} works as",
            "{first} chose the life of",
            "The job that {first} does is",
            "{first} became known as",
            "By training {first} is",
            "{first} signs as",
        ),
        "home_town": (
            "{first} hails from",
            "The story of {first} began in",
            "{first} was raised in",
            "The parents of {first} met in",
            "{first} returns every summer to",
            "The first home of {first} was in",
        ),
        "department": (
            "{first} joined the department of",
            "The office of {first} is in",
            "{first} leads a group in",
            "The colleagues of {first} are in",
            "{first} moved from elsewhere to",
            "These days {first} belongs to",
        ),
    },
    facts=(3, 5),
)
