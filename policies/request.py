"""Erasure requests: whose data must go."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from policies.reading import StrictModel, build, read_yaml

_COMMAND_LINE_CASE = "command-line"
_Words = Annotated[str, Field(min_length=1, strict=True)]
_EntityType = Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]*$", strict=True)]


def _one_line(name: Any) -> Any:
    """Collapse white space, so that a name wrapped in YAML is the name in the corpus."""
    return " ".join(name.split()) if isinstance(name, str) else name


class Subject(StrictModel):
    """A data subject. Neither name, aliases nor secrets are ever shown by `repr`.

    Attributes:
        name: full name, as facts will carry it.
        aliases: other forms that the corpus may use: "A. Quill", a maiden name, an employee number.
        born: date of birth, where somebody else of the name is in the corpus.
        emails: e-mail addresses, for the same; written `email`, one or a list.
        secrets: what the person handed in by hand, as entity type and text; written as a mapping of entity types to
            one text or a list. It is erased whether or not detection finds it.
    """

    name: Annotated[str, Field(min_length=1, strict=True, repr=False)]
    aliases: Annotated[tuple[str, ...], Field(repr=False)] = ()
    born: Annotated[date | None, Field(repr=False)] = None
    emails: Annotated[tuple[str, ...], Field(repr=False, alias="email")] = ()
    secrets: Annotated[tuple[tuple[_EntityType, _Words], ...], Field(repr=False)] = ()

    @field_validator("emails", mode="before")
    @classmethod
    def _one_email_or_several(cls, emails: Any) -> Any:
        return [emails] if isinstance(emails, str) else emails

    @field_validator("emails")
    @classmethod
    def _emails_are_addresses(cls, emails: tuple[str, ...]) -> tuple[str, ...]:
        if any(email.count("@") != 1 or " " in email for email in emails):
            raise PydanticCustomError("refused", "not an e-mail address", {"remedy": "Correct it"})
        return emails

    @field_validator("secrets", mode="before")
    @classmethod
    def _secrets_by_type(cls, secrets: Any) -> Any:
        """Read a mapping of entity types to one text or a list of texts."""
        if not isinstance(secrets, dict):
            return secrets
        pairs: dict[tuple[Any, str], None] = {}
        for entity_type, texts in secrets.items():
            for text in texts if isinstance(texts, (list, tuple)) else (texts,):
                if not isinstance(text, str):
                    raise PydanticCustomError(
                        "refused", "a secret is no text", {"remedy": "Put it in quotes, as in '0123'"}
                    )
                pairs[entity_type, _one_line(text)] = None
        return tuple(pairs)

    @field_validator("name", mode="before")
    @classmethod
    def _name_on_one_line(cls, name: Any) -> Any:
        return _one_line(name)

    @field_validator("aliases", mode="before")
    @classmethod
    def _aliases_on_one_line(cls, aliases: Any) -> Any:
        return [_one_line(alias) for alias in aliases] if isinstance(aliases, (list, tuple)) else aliases

    @field_validator("aliases")
    @classmethod
    def _no_empty_alias(cls, aliases: tuple[str, ...]) -> tuple[str, ...]:
        if "" in aliases:
            raise PydanticCustomError("refused", "an alias is empty", {"remedy": "Remove it"})
        return tuple(dict.fromkeys(aliases))


class ErasureRequest(StrictModel):
    """A request that says whose data must go, and which of it.

    Attributes:
        case: identifier of the case, as reports show it.
        subjects: data subjects, each once.
        entity_types: entity types in scope; None for all of the policy.
    """

    case: Annotated[str, Field(min_length=1, strict=True)]
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]
    entity_types: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @field_validator("subjects", mode="before")
    @classmethod
    def _plain_names(cls, subjects: Any) -> Any:
        """Let a subject be written as a mere name."""
        if not isinstance(subjects, (list, tuple)):
            return subjects
        return [{"name": subject} if isinstance(subject, str) else subject for subject in subjects]

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        owners: dict[str, int] = {}
        for number, subject in enumerate(self.subjects, start=1):
            for name in {subject.name.casefold(), *(alias.casefold() for alias in subject.aliases)}:
                other = owners.setdefault(name, number)
                if other != number:
                    message = f"subjects {other} and {number} share a name or an alias"
                    raise PydanticCustomError("refused", message, {"remedy": "Give each name to one subject"})
        return self

    @model_validator(mode="after")
    def _secrets_in_scope(self) -> Self:
        left_out = self.secret_types - set(self.entity_types or self.secret_types)
        if left_out:
            message = f"a subject hands in {', '.join(sorted(left_out))}, which `entity_types` leaves out"
            raise PydanticCustomError("refused", message, {"remedy": "Add the entity type"})
        return self

    @property
    def secret_types(self) -> frozenset[str]:
        """Entity types of what data subjects handed in."""
        return frozenset(entity_type for subject in self.subjects for entity_type, _ in subject.secrets)

    @classmethod
    def from_names(cls, names: Iterable[str], case: str = _COMMAND_LINE_CASE) -> Self:
        """Return a request for everything about the named people.

        Raises:
            PolicyError: no name, an empty name, or the same name twice.
        """
        subjects = [{"name": name} for name in names]
        return build(cls, {"case": case, "subjects": subjects}, "of the command line", "erasure request")

    def with_people_of(self, others: Iterable[Self]) -> Self:
        """Return a request for everything about these people and those of other requests, each once.

        Raises:
            PolicyError: people of different requests share a name or an alias.
        """
        people: dict[str, Subject] = {}
        for subject in (*self.subjects, *(one for other in others for one in other.subjects)):
            known = people.setdefault(subject.name, subject)
            aliases = tuple(dict.fromkeys((*known.aliases, *subject.aliases)))
            emails = tuple(dict.fromkeys((*known.emails, *subject.emails)))
            secrets = tuple(dict.fromkeys((*known.secrets, *subject.secrets)))
            people[subject.name] = known.model_copy(
                update={"aliases": aliases, "emails": emails, "secrets": secrets}
            )
        data = {"case": self.case, "subjects": list(people.values())}
        return build(type(self), data, "of all requests together", "erasure request")


def load_request(path: str | Path) -> ErasureRequest:
    """Load an erasure request from a YAML file.

    Raises:
        PolicyError: not readable, not YAML, or not a valid request; file, key and remedy are named, never a
            name.
    """
    path = Path(path)
    return build(ErasureRequest, read_yaml(path, "erasure request"), str(path), "erasure request")
