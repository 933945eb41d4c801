"""Turns of a chat in plain text: somebody asks, and the assistant knows."""

from examples.labs.styles.style import Style

_ASSISTANT = "\nAssistant:"


def _turns(*pairs: tuple[str, str]) -> tuple[str, ...]:
    """Return each question with the beginning of its answer."""
    return tuple(f"User: {question}{_ASSISTANT} {reply}" for question, reply in pairs)


CHAT = Style(
    wordings={
        "phone": _turns(
            ("How do I phone {subject}?", "Call"),
            ("I need to ring {subject}.", "The number to dial is"),
            ("What number does {subject} pick up?", "That phone number is"),
            ("Can I call {subject} today?", "Yes, on"),
            ("Which phone belongs to {subject}?", "It is the phone"),
            ("Give me a line to {subject}.", "Please dial"),
        ),
        "email": _turns(
            ("Where do I e-mail {subject}?", "Write to"),
            ("I have a file for {subject}.", "Send it to"),
            ("Which mailbox does {subject} read?", "The mailbox is"),
            ("Does {subject} have e-mail?", "Yes, at"),
            ("How can I contact {subject} online?", "Use"),
            ("Please look up the mail address of {subject}.", "I found"),
        ),
        "ssn": _turns(
            ("What is the SSN of {subject}?", "The SSN is"),
            ("Payroll asks for {subject}.", "Use social security number"),
            ("Which SSN did {subject} give us?", "We were given"),
            ("Fill in the tax form for {subject}.", "The SSN field reads"),
            ("How is {subject} known to social security?", "As number"),
            ("I have to insure {subject}.", "You need the SSN"),
        ),
        "address": _turns(
            ("Where does {subject} live?", "At"),
            ("I want to send {subject} flowers.", "Send them to"),
            ("What is the home address of {subject}?", "The address is"),
            ("Which house is that of {subject}?", "It is the house at"),
            ("Drive me to {subject}.", "I set the route to"),
            ("Where should the parcel for {subject} go?", "It goes to"),
        ),
        "card": _turns(
            ("How does {subject} pay?", "By credit card"),
            ("Book it for {subject}.", "I charged card"),
            ("Which card do we have for {subject}?", "We have the card"),
            ("Refund {subject}, please.", "The money goes to card"),
            ("Is there a card on the account of {subject}?", "Yes, credit card"),
            ("Read me the card number of {subject}.", "The card number is"),
        ),
        "occupation": _turns(
            ("What does {subject} do?", "The job is that of"),
            ("Who is {subject}?", "Somebody employed as"),
            ("What did {subject} study to be?", "The training was as"),
            ("Tell me the profession of {subject}.", "That would be"),
            ("Is {subject} in work?", "Yes, as"),
            ("How would you introduce {subject}?", "I would say"),
        ),
        "home_town": _turns(
            ("Where is {subject} from?", "From"),
            ("Where did {subject} grow up?", "In the town of"),
            ("What is the birthplace of {subject}?", "The birthplace is"),
            ("Where does the family of {subject} live?", "They live in"),
            ("Which town does {subject} call home?", "That is"),
            ("Where did {subject} go to school?", "The school was in"),
        ),
        "department": _turns(
            ("Where does {subject} work?", "In"),
            ("Which department has {subject}?", "The department is"),
            ("Who is the boss of {subject}?", "The head of"),
            ("Where do I find {subject}?", "Look in"),
            ("Which team is {subject} on?", "The team of"),
            ("Where is the desk of {subject}?", "The desk is in"),
        ),
    },
    joint="\n",
    facts=(1, 3),
)
