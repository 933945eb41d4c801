"""A letter to the data subject, in plain words: what was asked, found and done, what came of it and what remains.

It holds kinds and counts alone: no name, no secret, nobody else. It is derived from the request and the run's report.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from editor.artefacts.scanner import SecretScanner
from editor.casework.folder import WorkCase
from editor.casework.record import Closing
from editor.casework.runs import Run, short_of_policy
from editor.formatting import plural
from editor.results.report import FactRow, Report
from policies.entities import KNOWN_ENTITIES
from policies.errors import RequestError
from policies.policy import Policy, read_policy_text

Section = tuple[str, list[str]]
"""A heading and its paragraphs."""
RIGHTS = (
    "If you do not agree, you can complain to a data protection supervisory authority, and you can go to court "
    "(Articles 77 and 79 GDPR)."
)
WORDINGS = (
    "The model was asked in many wordings, and not in all that there are. Tests cannot rule out that another wording "
    "brings out a detail."
)
CHANGED = (
    "The model was asked as it is. Somebody who holds the model and changes it, or trains it anew, may bring details "
    "back."
)
DETECTION = (
    "Only details that were found, or that you handed in, could be erased. What is written in an unusual form may "
    "have been missed."
)
ELSEWHERE = "This letter is about the language model alone, and not about records that are kept elsewhere."
UNDO = {
    "kept": "What is needed to undo the change is kept. Whoever holds it can bring the details back.",
    "encrypted": "What is needed to undo the change is kept, encrypted. Whoever holds it and its key can bring the "
    "details back.",
    "none": "The model from before the change still holds the details as long as it is kept.",
}


def letter(case: WorkCase, run: Run | None, others: Iterable[WorkCase] = ()) -> str:
    """Return the letter about a request, in Markdown that reads as plain text.

    Args:
        case: the request.
        run: the run that dealt with it; None for a request that was closed without an erasure.
        others: other requests, whose names and secrets must not be in it.

    Raises:
        OutputError: a reason that was written holds a secret, or another person's name.
        RequestError: nothing was done yet, or the run is not about the request.
    """
    closing = case.record.closing
    if run is None and closing is not None and not closing.erased:
        text = _laid_out("Your request for erasure: our decision", case, _refused(case, closing))
    elif run is None:
        raise RequestError(
            f"No run that dealt with request {case.id} is named or on record", "Name one by --run"
        )
    else:
        run.check_about(case.request)
        text = _laid_out("Your request for erasure: what was done", case, _erased(case, run))
    _scanner(case, others).check(text, "The letter")
    return text


def _laid_out(title: str, case: WorkCase, sections: Iterable[Section]) -> str:
    received = case.record.received
    head = [f"# {title}", f"Reference: {case.id}  \nReceived: {_written(received)}"]
    body = [paragraph for heading, paragraphs in sections for paragraph in (f"## {heading}", *paragraphs)]
    return "\n\n".join([*head, *body]) + "\n"


def _refused(case: WorkCase, closing: Closing) -> Iterator[Section]:
    yield "What you asked for", _asked(case, None)
    yield (
        "What we decided",
        [f"Your data was not erased from the model. The reason: {_sentence(closing.reason)}"],
    )
    yield "Your rights", [RIGHTS]


def _erased(case: WorkCase, run: Run) -> Iterator[Section]:
    report, facts = run.report, run.facts(case.request)
    policy = read_policy_text(report.policy.text)
    yield "What you asked for", _asked(case, policy)
    yield "What was found", _found(case, facts, policy)
    yield "What was done", [_done(report, facts, datetime.fromisoformat(run.manifest.ended).date())]
    yield "What came of it", [_outcome(facts)]
    yield "What remains", [_bullets(_remaining(report))]
    yield "Your rights", [RIGHTS]


def _asked(case: WorkCase, policy: Policy | None) -> list[str]:
    types, extension = case.request.entity_types, case.record.extension
    paragraphs = ["You asked us to erase your personal data (Article 17 GDPR)."]
    if types:
        paragraphs.append("You asked for these kinds of data:")
        paragraphs.append(_bullets(_kind(name, policy) for name in types))
    given = [name for subject in case.request.subjects for name, _ in subject.secrets]
    if given:
        paragraphs += ["You handed in yourself:", _counts(given, policy)]
    if extension is not None:
        paragraphs.append(
            f"We took two further months for the answer, until {_written(case.deadline)}. The reason: "
            f"{_sentence(extension.reason)}"
        )
    return paragraphs


def _found(case: WorkCase, facts: Sequence[FactRow], policy: Policy) -> list[str]:
    found = {row.entity_type for row in facts}
    nothing = [name for name in case.request.entity_types or () if name not in found]
    paragraphs = [
        f"We looked for you in the data that a language model was trained on. {plural(len(facts), 'detail')} about "
        "you came under your request:",
        _counts((row.entity_type for row in facts), policy),
    ]
    if nothing:
        paragraphs.append(f"Nothing was found of: {', '.join(_kind(name, policy) for name in nothing)}.")
    return [*paragraphs, f"Before the change the model {_gave_away(facts)} when it was asked."]


def _gave_away(facts: Sequence[FactRow]) -> str:
    said = sum(row.leaked_before for row in facts)
    if len(facts) == 1:
        return "gave it away" if said else "did not give it away"
    return f"gave away {'all' if said == len(facts) else said or 'none'} of them"


def _done(report: Report, facts: Sequence[FactRow], ended: date) -> str:
    was, it = ("had been", "it") if report.kind == "verify" else ("was", "the changed model")
    asked = "it" if len(facts) == 1 else "each of them"
    return (
        f"The model {was} changed in order to erase {_these(facts)}. On {_written(ended)} {it} was loaded again from "
        f"where it was stored, and asked for {asked} in many wordings."
    )


def _outcome(facts: Sequence[FactRow]) -> str:
    said = sum(row.leaked_after is not False for row in facts)
    if not said:
        any_of = "" if len(facts) == 1 else "any of "
        return f"The changed model did not give away {any_of}{_these(facts)}."
    some = _these(facts) if len(facts) == 1 else f"{said} of {len(facts)} details"
    return f"The changed model still gave away {some}. The erasure is not finished."


def _these(facts: Sequence[FactRow]) -> str:
    return "this detail" if len(facts) == 1 else "these details"


def _remaining(report: Report) -> Iterator[str]:
    if short_of_policy(report) or not all(row.passed for row in report.criteria):
        yield "Not all that our policy asks of an erasure was met or could be tested."
    if report.scope.skipped:
        yield (
            f"{plural(len(report.scope.skipped), 'document')} could not be read to the end. Details in them may have "
            "been missed."
        )
    yield WORDINGS
    yield CHANGED
    yield DETECTION
    yield ELSEWHERE
    if report.edit is not None:
        yield UNDO[report.edit.originals]


def _counts(entity_types: Iterable[str], policy: Policy | None) -> str:
    counted = Counter(_kind(name, policy) for name in entity_types)
    return _bullets(f"{kind}: {count}" for kind, count in sorted(counted.items()))


def _kind(entity_type: str, policy: Policy | None) -> str:
    """Name an entity type in plain words."""
    rule = policy.entities.get(entity_type) if policy else None
    known = KNOWN_ENTITIES.get(entity_type)
    return rule.relation if rule else known.relation if known else entity_type.lower().replace("_", " ")


def _sentence(reason: str) -> str:
    return f"{reason.rstrip('.')}."


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _written(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _scanner(case: WorkCase, others: Iterable[WorkCase]) -> SecretScanner:
    """Return a scanner for whatever was handed in, and the names of other people."""
    others = [other for other in others if other.id != case.id]
    secrets = [
        secret for one in (case, *others) for subject in one.request.subjects for _, secret in subject.secrets
    ]
    names = [
        name
        for one in others
        for subject in one.request.subjects
        for name in (subject.name, *subject.aliases)
    ]
    return SecretScanner(dict.fromkeys((*secrets, *names), "something personal"))
