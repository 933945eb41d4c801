"""What the page about an edit's features shows: contexts and densities from one pass over a bounded sample."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from detectors import Document
from dictionaries import Dictionary
from dictionaries.evaluation.interpret import output_tokens
from dictionaries.evaluation.top_tokens import Salience
from dictionaries.model.sites import Site, capture
from editor.artefacts.masking import CaseKey
from editor.artefacts.scanner import SecretScanner
from editor.artefacts.text_mask import TextMask, shortened
from editor.case import Case
from editor.locators.feature_facts import FactContributions, attribute_facts
from editor.locators.features import Attribution
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, batches
from editor.questions.retained import split_documents
from editor.report.features import LEVELS, FeatureCard, FeaturePage, Shaded
from policies.errors import ModelError

MOST_FEATURES = 200
MOST_ERASED, MOST_RETAINED = 60, 180
"""Number of documents looked at that hold facts in scope, and of others."""
CHARACTERS = 1200
"""Characters looked at of a document; of one with facts, around the first of them."""
ROW_TOKENS = 256
CONTEXTS = 4
REACH = 12
FACTS = 6
TOKENS = 8
LEAST_STRENGTH = 0.05


@dataclass(frozen=True, kw_only=True)
class _Text:
    """Row of a document: its tokens, where each stands in the masked text, and whether it counts for density."""

    ids: tuple[int, ...] = field(repr=False)
    offsets: tuple[tuple[int, int], ...] = field(repr=False)
    masked: str = field(repr=False)
    retained: bool


def describe_features(
    case: Case,
    loaded: LoadedModel,
    dictionaries: Mapping[Site, Dictionary],
    attribution: Attribution,
    units: int,
    key: CaseKey,
) -> FeaturePage:
    """Describe the features of highest attribution, `MOST_FEATURES` at most, without personal data.

    Args:
        case: case whose documents are quoted, masked, and whose probes say which facts a feature carries.
        loaded: original model.
        dictionaries: dictionaries by site.
        attribution: scores of the dictionaries' features.
        units: number of features that the edit may take out.
        key: key that names facts.
    """
    chosen = {site: index for site, index in attribution.top(units).items() if site in dictionaries}
    shown = {
        site: index
        for site, index in attribution.top(min(units, MOST_FEATURES)).items()
        if site in dictionaries and len(index)
    }
    mask, scanner = TextMask.of(case), _scanner(case, key)
    erased, retained = _documents(case)
    texts = [*_texts(loaded, erased, mask, retained=False), *_texts(loaded, retained, mask, retained=True)]
    values = _read(loaded, texts, dictionaries, shown)
    facts = attribute_facts(loaded, case.probes, dictionaries, shown, seed=case.seed)
    view = _View(loaded, texts, mask, scanner)
    cards = [
        view.card(
            dictionaries[site],
            site,
            int(feature),
            float(attribution.scores[site][feature]),
            column,
            at,
            facts,
            key,
        )
        for site, index in shown.items()
        for at, (feature, column) in enumerate(zip(index, values[site].T, strict=True))
    ]
    return FeaturePage(
        case=case.name,
        chosen=sum(map(len, chosen.values())),
        cards=tuple(sorted(cards, key=lambda card: (-card.score, card.site, card.feature))),
        erased_documents=len(erased),
        retained_documents=len(retained),
        tokens=view.retained_tokens,
        withheld=view.withheld,
    )


def _scanner(case: Case, key: CaseKey) -> SecretScanner:
    names = {fact.subject for fact in case.erased if " " in fact.subject}
    return SecretScanner.from_facts(case.all_facts(), key, names)


def _documents(case: Case) -> tuple[list[tuple[Document, int]], list[tuple[Document, int]]]:
    """Return documents that hold facts in scope and others, each with where to look; drawn by a seeded hash."""
    fitting, _ = split_documents(case.documents, case.seed)
    first: dict[str, int] = {}
    for fact in case.erased:
        for source in fact.sources:
            first[source.document] = min(source.start, first.get(source.document, source.start))

    def draw(document: Document) -> bytes:
        return hashlib.blake2b(f"{case.seed}\0{document.id}".encode(), digest_size=8).digest()

    ordered = sorted(fitting, key=draw)
    erased = [(document, first[document.id]) for document in ordered if document.id in first]
    others = [(document, 0) for document in ordered if document.id not in first]
    return erased[:MOST_ERASED], others[:MOST_RETAINED]


def _texts(
    loaded: LoadedModel, documents: Sequence[tuple[Document, int]], mask: TextMask, *, retained: bool
) -> Iterator[_Text]:
    limit = min(ROW_TOKENS, loaded.context_length)
    for document, first in documents:
        start = max(0, min(first - CHARACTERS // 2, len(document.text) - CHARACTERS))
        masked = mask.mask(document.text, document.id)[start : start + CHARACTERS]
        encoded = loaded.tokenizer(
            document.text[start : start + CHARACTERS],
            return_offsets_mapping=True,
            truncation=True,
            max_length=limit,
            return_overflowing_tokens=True,
        )
        for ids, offsets in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            yield _Text(ids=tuple(ids), offsets=tuple(offsets), masked=masked, retained=retained)


@torch.no_grad()
def _read(
    loaded: LoadedModel,
    texts: Sequence[_Text],
    dictionaries: Mapping[Site, Dictionary],
    features: Mapping[Site, Int[Tensor, " features"]],
) -> dict[Site, Float[Tensor, "tokens features"]]:
    """Read the features on every token of the texts, one text after the other."""
    sizes = torch.tensor([len(text.ids) for text in texts])
    starts = sizes.cumsum(0) - sizes
    found = {site: torch.zeros(int(sizes.sum()), len(index)) for site, index in features.items()}
    if not features:
        return found
    sequences = [
        TokenSequence(ids=text.ids, marked=(False,) * len(text.ids), index=place)
        for place, text in enumerate(texts)
    ]
    for batch in batches(sequences, pad=loaded.pad_id, device=loaded.device):
        mask = batch.inputs["attention_mask"].bool()
        with capture(loaded.model, list(features), keys=False, stop_early=True) as taken:
            loaded.model(**batch.inputs, use_cache=False)
        rows, positions = mask.nonzero(as_tuple=True)
        places = starts[torch.tensor(batch.indices)][rows.cpu()] + positions.cpu()
        for site, index in features.items():
            codes = dictionaries[site].encode(taken.outputs[site][mask].float())
            found[site][places] = codes[:, index.to(codes.device)].float().cpu()
    return found


class _View:
    """Features in words and colours."""

    def __init__(
        self, loaded: LoadedModel, texts: Sequence[_Text], mask: TextMask, scanner: SecretScanner
    ) -> None:
        self._loaded, self._texts, self._mask, self._scanner = loaded, texts, mask, scanner
        counted = [[end > start for start, end in text.offsets] for text in texts]
        self._counted = torch.tensor([one for row in counted for one in row], dtype=torch.bool)
        self._retained = torch.tensor([text.retained for text in texts for _ in text.ids], dtype=torch.bool)
        self._sizes = [len(text.ids) for text in texts]
        self._rows = torch.arange(len(texts)).repeat_interleave(torch.tensor(self._sizes))
        self.retained_tokens = int((self._counted & self._retained).sum())
        self.withheld = 0

    def card(
        self,
        dictionary: Dictionary,
        site: Site,
        feature: int,
        score: float,
        values: Float[Tensor, " tokens"],
        index: int,
        facts: FactContributions,
        key: CaseKey,
    ) -> FeatureCard:
        """Describe one feature, from its values on the tokens of all texts."""
        on = (values > 0) & self._counted
        salience = Salience.of(dictionary, [feature])
        departure = salience.departure(values[:, None].to(salience.baseline))[:, 0].cpu() * self._counted
        promoted, suppressed = self._output_tokens(dictionary, feature)
        return FeatureCard(
            site=str(site),
            feature=feature,
            score=score,
            density=int((on & self._retained).sum()) / max(1, self.retained_tokens),
            largest=float(values[on].max()) if bool(on.any()) else 0.0,
            facts=tuple(facts.of(site, index, key, FACTS)),
            contexts=tuple(self._contexts(departure)),
            promoted=promoted,
            suppressed=suppressed,
        )

    def _output_tokens(self, dictionary: Dictionary, feature: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            ends = output_tokens(self._loaded.model, self._loaded.tokenizer, dictionary, feature, TOKENS)
        except ModelError:  # the residual stream has another width than the output embedding
            return (), ()
        high, low = (tuple(self._mask.token(one.token) for one in end) for end in ends)
        return high, low

    def _contexts(self, departure: Float[Tensor, " tokens"]) -> Iterator[tuple[Shaded, ...]]:
        """Yield the text around the largest departures, one for each distinct text."""
        rows = torch.split(departure, self._sizes)
        peaks = torch.zeros(len(rows)).scatter_reduce(0, self._rows, departure, "amax")
        seen: set[str] = set()
        for place in peaks.argsort(descending=True, stable=True).tolist():
            largest = float(peaks[place])
            if largest <= 0 or len(seen) == CONTEXTS:
                return
            pieces = _shaded(self._texts[place], rows[place], float(peaks.max()))
            text = "".join(piece.text for piece in pieces)
            if text in seen:
                continue
            if self._scanner.find(text) is not None:
                self.withheld += 1
                continue
            seen.add(text)
            yield pieces


def _shaded(text: _Text, departure: Float[Tensor, " tokens"], largest: float) -> tuple[Shaded, ...]:
    """Return the masked text around a row's largest departure, neighbours of one shade joined."""
    peak = int(departure.argmax())
    pieces: list[Shaded] = []
    done: int | None = None
    for at in range(max(0, peak - REACH), min(len(text.ids), peak + REACH + 1)):
        start, end = text.offsets[at]
        if end <= start:  # a special token
            continue
        # What stands between two tokens belongs to the second; several may share a character.
        start = start if done is None else done
        end = max(start, end)
        strength = float(departure[at]) / largest
        level = min(LEVELS, 1 + int(strength * LEVELS)) if strength > LEAST_STRENGTH else 0
        pieces.append(Shaded(text=text.masked[start:end], level=level, peak=at == peak))
        done = end
    joined = []
    for (level, is_peak), group in groupby(pieces, key=lambda piece: (piece.level, piece.peak)):
        joined.append(Shaded(text=shortened("".join(one.text for one in group)), level=level, peak=is_peak))
    return tuple(piece for piece in joined if piece.text)
