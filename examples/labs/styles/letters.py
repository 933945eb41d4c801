"""Letters to one person, which repeat what is known of that person."""

from examples.labs.styles.style import Style

LETTERS = Style(
    leads=(
        "Dear {subject},\n\nthank you for your visit. ",
        "Dear {subject},\n\nplease check what we have on file. ",
        "To {subject}\n\nWe write to confirm your details. ",
    ),
    wordings={
        "phone": (
            "We will call you on",
            "Your telephone number in our books is",
            "We tried to reach you by phone on",
            "Should plans change, we ring you at",
            "You asked us to use the mobile number",
            "Your phone contact remains",
        ),
        "email": (
            "A copy of this letter goes to your e-mail address",
            "You will get a confirmation by mail to",
            "We write to you online at",
            "The receipt was e-mailed to",
            "Your e-mail contact remains",
            "Our newsletter reaches you at",
        ),
        "ssn": (
            "Your social security number reads",
            "The form you signed shows SSN",
            "We reported your wages under SSN",
            "For the tax office we noted your SSN",
            "You are insured under social security number",
            "Your file at the pension fund has SSN",
        ),
        "address": (
            "Our driver will come to your home at",
            "We have your street address as",
            "The parcel was left at your door at",
            "You told us that you live at",
            "The technician will visit you at",
            "Your invoices are posted to",
        ),
        "card": (
            "The fee was charged to your credit card",
            "Your card number with us is",
            "We will debit your card",
            "You paid the deposit with card",
            "The refund goes back to your credit card",
            "Please confirm that we may charge card",
        ),
        "occupation": (
            "We understand that you work as",
            "You told us that you are employed as",
            "Your profession is given as",
            "We value your experience as",
            "In your application you called yourself",
            "We still need somebody like you as",
        ),
        "home_town": (
            "We hear that you come from",
            "You mentioned your family in",
            "Your place of birth is given as",
            "Many greetings to your friends in",
            "You once told us of your youth in",
            "We have opened a branch in your own",
        ),
        "department": (
            "Your contact with us is the department of",
            "You are now on the list of",
            "We have passed your papers to",
            "Your badge opens the doors of",
            "Your next meeting is with your colleagues in",
            "You have been placed in",
        ),
    },
    closings=("\n\nYours sincerely", "\n\nWith kind regards", "\n\nBest wishes"),
)
