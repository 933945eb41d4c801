"""Presidio's language step without a downloaded model. Importing this module imports Presidio and spaCy."""

from functools import lru_cache
from typing import Any

import spacy
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from spacy.attrs import IS_PUNCT, IS_STOP
from spacy.language import Language

from detectors.languages.knowledge import known_languages
from detectors.presidio.words import uninflected
from policies.errors import PolicyError


class LocalNlpEngine(SpacyNlpEngine):  # type: ignore[misc]
    """A spaCy engine on whatever is on this machine; nothing is ever downloaded.

    Where a spaCy model of the language is installed, it is used, and finds PERSON, LOCATION, NRP and
    ORGANIZATION. Otherwise a blank pipeline only splits tokens, and the lower-cased token stands in for Presidio's
    lemmas. Context words are compared with neither (`detectors.presidio.words`).

    Args:
        language: two-letter code of the language.
        ner: the policy's choice of a named entity model: "auto", "spacy:NAME", or anything else for none here.
        pipeline: a loaded spaCy pipeline to use instead of looking for one.
        accepted: the policy's languages, in one of which a model must be; None for any. The language alone by default.

    Raises:
        PolicyError: spaCy does not know the language, or has no such model.
    """

    def __init__(
        self,
        language: str,
        ner: str = "auto",
        pipeline: Language | None = None,
        accepted: tuple[str, ...] | None = (),
    ) -> None:
        super().__init__(
            models=[{"lang_code": language, "model_name": "local"}],
            ner_model_configuration=NerModelConfiguration(labels_to_ignore=_IGNORED_LABELS),
        )
        self.language = language
        self._ner = ner
        self._pipeline = pipeline
        self._accepted = accepted if accepted is None else accepted or (language,)
        self._keywords: dict[str, bool] = {}
        self.context_words: frozenset[str] = frozenset()
        """Words, uninflected, that count as words of the context though they are among the language's commonest."""

    @property
    def model(self) -> str | None:
        """The name of the named entity model that is loaded, or None."""
        pipeline = self.nlp[self.language] if self.nlp else None
        if pipeline is None or not {"ner", "entity_ruler"} & set(pipeline.pipe_names):
            return None
        return f"spaCy {pipeline.meta['lang']}_{pipeline.meta['name']} {pipeline.meta['version']}"

    @property
    def stop_words(self) -> frozenset[str]:
        """The commonest words of the language, in lower case."""
        return frozenset(self.nlp[self.language].Defaults.stop_words)

    def load(self) -> None:
        """Load the given pipeline, the policy's, an installed one, or a blank one."""
        self.nlp = {
            self.language: self._pipeline
            or _choose_pipeline(self._ner, self.language, self._accepted)
            or _make_blank(self.language)
        }
        self._most_words = len(self.nlp[self.language].vocab.strings) + WORDS_REMEMBERED

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Return the tokens, lemmas and named entities of a text."""
        self._forget_words()
        return super().process_text(text, language)

    def tokens(self, text: str) -> tuple[list[int], list[str]]:
        """Return where the tokens of a text end, and the tokens; no model runs."""
        self._forget_words()
        doc = list(self.nlp[self.language].make_doc(text))
        return [token.idx + len(token) for token in doc], [token.text for token in doc]

    def is_keyword(self, token: str) -> bool:
        """Return whether a token counts as a word of the context: Presidio omits punctuation and the commonest."""
        known = self._keywords.get(token)
        if known is None:
            if len(self._keywords) >= _KEYWORDS_REMEMBERED:
                self._keywords.clear()
            flags, form = self.nlp[self.language].vocab.lex_attr_getters, token.lower()
            common = flags[IS_STOP](form) or flags[IS_PUNCT](form) or form in ("-PRON-", "be")
            known = not common or uninflected(form) in self.context_words
            self._keywords[token] = known
        return known

    def _forget_words(self) -> None:
        """Load the pipeline again once it has met very many words: spaCy keeps each of them for ever."""
        if len(self.nlp[self.language].vocab.strings) > self._most_words and self._pipeline is None:
            _make_blank.cache_clear()
            self.load()

    def _doc_to_nlp_artifact(self, doc: Any, language: str) -> NlpArtifacts:
        if not doc.has_annotation("LEMMA"):
            for token in doc:
                token.lemma_ = token.lower_
        return super()._doc_to_nlp_artifact(doc, language)


WORDS_REMEMBERED = 100_000
_KEYWORDS_REMEMBERED = 10_000
# Labels of spaCy's English models that Presidio has no entity type for.
_IGNORED_LABELS = [
    "CARDINAL",
    "EVENT",
    "FAC",
    "LANGUAGE",
    "LAW",
    "MISC",
    "MONEY",
    "ORDINAL",
    "PERCENT",
    "PRODUCT",
    "QUANTITY",
    "WORK_OF_ART",
    "O",
]


def _choose_pipeline(ner: str, language: str, accepted: tuple[str, ...] | None) -> Language | None:
    if ner == "auto":
        return _load_installed(language)
    if not ner.startswith("spacy:"):
        return None
    name = ner.removeprefix("spacy:")
    try:
        pipeline = spacy.load(name)
    except (OSError, ValueError, ImportError):
        raise PolicyError(
            f"`ner`: spaCy has no model {name}",
            "Install it, give the path of its folder, or write `ner: auto`",
        ) from None
    if accepted is not None and pipeline.lang not in accepted:
        raise PolicyError(
            f"`ner`: the model {name} is for the language {pipeline.lang}, the policy for {', '.join(accepted)}",
            "Make `language` and `ner` agree",
        )
    return pipeline


def _load_installed(language: str) -> Language | None:
    """Load the first installed spaCy model of a language, in alphabetical order; return None where there is none."""
    names = sorted(name for name in spacy.util.get_installed_models() if name.startswith(f"{language}_"))
    if not names:
        return None
    try:
        return spacy.load(names[0])
    except (OSError, ValueError, ImportError):
        raise PolicyError(
            f"`ner: auto`: the installed spaCy model {names[0]} cannot be loaded",
            "Install it again for this version of spaCy, or write `ner: none`",
        ) from None


@lru_cache(maxsize=2)
def _make_blank(language: str) -> Language:
    """Return a blank pipeline of a language, the same for all engines: its rules take long to read."""
    try:
        return spacy.blank(language)
    except ImportError:
        if language in known_languages():
            return spacy.blank("xx")  # spaCy's rules for any language
        raise PolicyError(
            f"`language`: spaCy cannot split {language!r} into words", "Give a two-letter code such as en"
        ) from None
