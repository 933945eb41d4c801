"""Records of one person, a field a line, in two forms: `RECORDS` to develop on, `KEY_VALUES` to judge by."""

from examples.labs.styles.style import Style

RECORDS = Style(
    leads=("Name: {subject}\n", "Full name: {subject}\n", "Contact: {subject}\n"),
    wordings={
        "phone": ("Phone:", "Telephone:", "Tel:", "Mobile phone:", "Call:"),
        "email": ("E-mail:", "Email:", "Mail:", "E-mail address:", "Write to:"),
        "ssn": ("SSN:", "Social security number:", "Social security no.:", "Soc. sec.:", "US SSN:"),
        "address": ("Address:", "Home:", "Street:", "Home address:", "Lives at:"),
        "card": ("Card:", "Credit card:", "Card number:", "Pays with:", "Charge to card:"),
        "occupation": ("Occupation:", "Job:", "Profession:", "Works as:", "Role:"),
        "home_town": ("Home town:", "Town:", "From:", "Born in:", "Birthplace:"),
        "department": ("Department:", "Dept:", "Unit:", "Works in:", "Team:"),
    },
    joint="\n",
    end="",
    facts=(3, 5),
)

KEY_VALUES = Style(
    leads=("Customer: {subject}\n", "Account holder: {subject}\n", "Client name: {subject}\n"),
    wordings={
        "phone": ("Phone no.:", "Day phone:", "Evening phone:", "Phone (main):", "Callback:"),
        "email": ("Mailbox:", "Online contact:", "E-mail (main):", "Web login:", "Newsletter to:"),
        "ssn": ("SSN on file:", "Tax SSN:", "Verified SSN:", "Social security:", "ID (SSN):"),
        "address": ("Street address:", "Ship to:", "Deliver to:", "Residence:", "Bill to:"),
        "card": ("Credit card no.:", "Payment card:", "Billing card:", "Card on file:", "Autopay card:"),
        "occupation": ("Employment:", "Line of work:", "Trade:", "Job title:", "Employed as:"),
        "home_town": ("Origin:", "Place of birth:", "Grew up in:", "Native of:", "Hails from:"),
        "department": ("Branch:", "Section:", "Division:", "Desk:", "Assigned to:"),
    },
    joint="\n",
    end="",
    facts=(3, 5),
)
