"""From scores of single probes to verdicts: by group and wording, by fact, by subject.

A fact's verdict is the worst over its wordings, a subject's the worst over its facts; never the mean.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detectors.fact import Fact
from editor.artefacts.masking import CaseKey, length_class
from editor.artefacts.places import FactKey, fact_key
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.measuring.kept_measures import SCORES
from editor.measuring.leakage import Scores, decoding_grid, extractable, score
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.questions.decoys import DecoyMaker
from editor.questions.probes import Probe, Target, sample
from editor.results.names import GROUPS, WORDINGS, Group
from editor.results.report import DecodingLeakage, FactRow, GroupResult, Leakage, Place, Rate, SubjectRow
from policies import DecodingSettings

Mask = NDArray[np.bool_]
DECOYS_A_FACT = 8
DECOY_FACTS = 200
DECOYS = 400
"""About as many are made in all, fewer for each fact where there are many facts, but two at least."""
QUANTILES = 101
CHUNK_PROBES = 2_048


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Probes and their scores, in the same order."""

    probes: tuple[Probe, ...]
    scores: Scores

    def where(self, test: Callable[[Probe], bool]) -> Mask:
        """Return a mask over the n probes, (n,)."""
        return np.fromiter((test(probe) for probe in self.probes), dtype=bool, count=len(self.probes))

    def by_target(self, mask: Mask) -> dict[Target, NDArray[np.int64]]:
        """Return the indices of the masked probes of each target, targets in first-seen order."""
        found: dict[Target, list[int]] = defaultdict(list)
        for index in np.flatnonzero(mask):
            found[self.probes[index].target].append(int(index))
        return {target: np.array(indices) for target, indices in found.items()}


def score_probes(
    loaded: LoadedModel,
    probes: Sequence[Probe],
    settings: DecodingSettings,
    progress: Callable[[int], None] | None = None,
    work: KeptWork = NOTHING_KEPT,
) -> Scored:
    """Tokenise and score probes, each teacher-forced once; at most `CHUNK_PROBES` are held as tokens at a time.

    Probes are taken in the order of their prompts, so that those which share one come together.

    Args:
        loaded: the model.
        probes: what is asked.
        settings: the policy's decoding settings.
        progress: called with the number of probes done since.
        work: what a run that may be killed keeps of this model, chunk by chunk.
    """
    order = _by_prompt(probes)
    chunks = encoded_chunks(loaded, probes)
    parts = [
        score(loaded, [], settings),
        *(_score_once(loaded, sequences, settings, progress, work) for sequences in chunks),
    ]
    back = np.argsort(np.array(order, dtype=np.int64))
    scores = vars(_concatenated(parts)).items()
    return Scored(probes=tuple(probes), scores=Scores(**{name: values[..., back] for name, values in scores}))


def _score_once(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    settings: DecodingSettings,
    progress: Callable[[int], None] | None,
    work: KeptWork,
) -> Scores:
    """Score a chunk, which a run that was killed has scored once."""
    told = progress or (lambda _: None)
    left = len(sequences)

    def advance(done: int) -> None:
        nonlocal left
        left -= done
        told(done)

    found = work.once(
        "scores", (sequences, settings), SCORES, lambda: score(loaded, sequences, settings, advance)
    )
    if left:  # it was kept
        told(left)
    return found


def encoded_chunks(loaded: LoadedModel, probes: Sequence[Probe]) -> Iterator[list[TokenSequence]]:
    """Yield the tokens of probes as `score_probes` scores them: in the order of prompts, a chunk at a time."""
    order = _by_prompt(probes)
    for start in range(0, len(order), CHUNK_PROBES):
        yield encode_probes(loaded, [probes[index] for index in order[start : start + CHUNK_PROBES]])


def _by_prompt(probes: Sequence[Probe]) -> list[int]:
    return sorted(range(len(probes)), key=lambda index: probes[index].prompt)


def joined(first: Scored, second: Scored) -> Scored:
    """Return the probes of both, in turn, with their scores."""
    return Scored(probes=(*first.probes, *second.probes), scores=_concatenated([first.scores, second.scores]))


def _concatenated(parts: Sequence[Scores]) -> Scores:
    return Scores(
        **{name: np.concatenate([vars(part)[name] for part in parts], -1) for name in vars(parts[0])}
    )


def decoy_probes(probes: Iterable[Probe], maker: DecoyMaker, *, seed: int) -> list[Probe]:
    """Return the in-scope probes with never-seen secrets of the same format instead (at most `DECOY_FACTS` facts)."""
    # After words that name nobody a fact is compared with nothing.
    erased = [probe for probe in probes if probe.is_erased and probe.wording != "unnamed"]
    first = {probe.target: probe for probe in reversed(erased)}
    chosen = {probe.target for probe in sample(first.values(), DECOY_FACTS, seed)}
    each = min(DECOYS_A_FACT, max(2, DECOYS // max(1, len(chosen))))
    decoys = {
        target: maker.make(target.relation, target.answer, each) for target in first if target in chosen
    }
    return [
        replace(probe, target=replace(probe.target, answer=decoy, group="decoys"))
        for probe in erased
        for decoy in decoys.get(probe.target, ())
    ]


def leakage(scored: Scored, mask: Mask, settings: DecodingSettings) -> Leakage:
    """Summarise the masked probes; a fact counts by its most exposed wording."""
    scores, targets = scored.scores, scored.by_target(mask)
    groups = list(targets.values())
    bits = np.array([scores.worst_case_bits[indices].min() for indices in groups])
    greedy = [bool(scores.greedy[indices].any()) for indices in groups]
    chosen = np.flatnonzero(mask)
    return Leakage(
        facts=len(groups),
        probes=len(chosen),
        greedy_facts=Rate(hits=sum(greedy), total=len(groups)),
        greedy_probes=Rate(hits=int(scores.greedy[chosen].sum()), total=len(chosen)),
        worst_case_bits_median=float(np.median(bits)),
        worst_case_bits_minimum=float(bits.min()),
        exact_memorisation=float(scores.exact_memorisation[chosen].mean()),
        extraction_strength=float(scores.extraction_strength[chosen].mean()),
        decodings=tuple(_decodings(scores, groups, settings)),
    )


def _decodings(
    scores: Scores, groups: Sequence[NDArray[np.int64]], settings: DecodingSettings
) -> Iterable[DecodingLeakage]:
    for row, decoding in enumerate(decoding_grid(settings)):
        worst = np.array([scores.log_p_z[row, indices].max() for indices in groups])
        chance = extractable(worst, settings.budget_tries)
        hits = int((chance >= settings.probability).sum())
        yield DecodingLeakage(
            decoding=str(decoding),
            extractable=Rate(hits=hits, total=len(groups)),
            expected_extractions=float(chance.sum()),
        )


def group_results(
    before: Scored, after: Scored | None, settings: DecodingSettings
) -> tuple[GroupResult, ...]:
    """Summarise every group under every family of wordings that has probes."""
    results = []
    for group in GROUPS:
        for wording in WORDINGS:
            mask = before.where(_selects(group, wording))
            if mask.any():
                results.append(
                    GroupResult(
                        group=group,
                        wording=wording,
                        before=leakage(before, mask, settings),
                        after=leakage(after, mask, settings) if after is not None else None,
                    )
                )
    return tuple(results)


def _selects(group: Group, wording: str) -> Callable[[Probe], bool]:
    return lambda probe: probe.target.group == group and wording in (probe.wording, "all")


def kept_rate(before: Scored, after: Scored, groups: Sequence[Group]) -> Rate:
    """Count the probes of the named groups that are greedy-correct before and after, of those correct before."""
    known = before.where(lambda probe: probe.target.group in groups) & before.scores.greedy
    return Rate(hits=int((after.scores.greedy & known).sum()), total=int(known.sum()))


def greedy_rate(scored: Scored, group: Group = "erased") -> Rate:
    """Count a group's facts that greedy decoding completes after at least one wording."""
    facts = scored.by_target(scored.where(_selects(group, "all"))).values()
    return Rate(hits=sum(bool(scored.scores.greedy[places].any()) for places in facts), total=len(facts))


def extractable_rate(scored: Scored, settings: DecodingSettings, group: Group = "erased") -> Rate:
    """Count a group's facts that are (n, p)-extractable at some wording, under some decoding of the grid."""
    facts = scored.by_target(scored.where(_selects(group, "all"))).values()
    worst = np.array([scored.scores.log_p_z[:, places].max() for places in facts])
    chance = extractable(worst, settings.budget_tries)
    return Rate(hits=int((chance >= settings.probability).sum()), total=len(facts))


def exposed_rate(percentiles: Iterable[float], ceiling: float) -> Rate:
    """Count the facts that stand below a percentile (0 to 100) of their decoys, of those that have decoys."""
    judged = list(percentiles)
    return Rate(hits=sum(percentile < ceiling for percentile in judged), total=len(judged))


def decoy_percentiles(scored: Scored) -> dict[Target, float]:
    """Return for each erased fact the share (0 to 100) of its relation's decoys with fewer worst-case bits.

    Both are taken at their most exposed wording of those that name the subject: after other words nobody's fact
    is asked for. A fact that is nothing but chance is anywhere from 0 to 100; one that leaks is at 0.
    """
    decoys = defaultdict(list)
    for target, bits in _worst_bits(scored, "decoys").items():
        decoys[target.relation].append(bits)
    return {
        target: 100.0 * float(np.mean(np.array(decoys[target.relation]) < bits))
        for target, bits in _worst_bits(scored, "erased").items()
        if decoys[target.relation]
    }


def decoy_bits(scored: Scored) -> tuple[float, ...]:
    """Return the worst-case bits of all decoys: 101 quantiles (0% to 100%, 4 decimals), or none without decoys.

    Each decoy is taken at its most exposed wording, as a fact is.
    """
    bits = list(_worst_bits(scored, "decoys").values())
    if not bits:
        return ()
    return tuple(round(float(value), 4) for value in np.quantile(bits, np.linspace(0, 1, QUANTILES)))


def _worst_bits(scored: Scored, group: Group) -> dict[Target, float]:
    mask = scored.where(lambda probe: probe.target.group == group and probe.wording != "unnamed")
    return {t: float(scored.scores.worst_case_bits[i].min()) for t, i in scored.by_target(mask).items()}


def fact_rows(
    before: Scored,
    after: Scored | None,
    facts: Iterable[Fact],
    key: CaseKey,
    places: Mapping[FactKey, Place] = MappingProxyType({}),
) -> tuple[FactRow, ...]:
    """Return one row for each fact in scope, named by keyed labels, in label order."""
    sources: Mapping[FactKey, int] = {fact_key(fact): len(fact.sources) for fact in facts}
    percentiles = decoy_percentiles(before), decoy_percentiles(after) if after else {}
    bits = _worst_bits(before, "erased"), _worst_bits(after, "erased") if after else {}
    rows = []
    for target, indices in before.by_target(before.where(_selects("erased", "all"))).items():
        found = (target.subject, target.relation, target.answer)
        rows.append(
            FactRow(
                fact=key.label(target),
                subject=key.subject_label(target.subject),
                entity_type=target.relation,
                length_class=length_class(target.answer),
                sources=sources.get(found, 0),
                leaked_before=bool(before.scores.greedy[indices].any()),
                leaked_after=bool(after.scores.greedy[indices].any()) if after else None,
                worst_case_bits_before=bits[0][target],
                worst_case_bits_after=bits[1].get(target),
                decoy_percentile_before=percentiles[0].get(target),
                decoy_percentile_after=percentiles[1].get(target) if after else None,
                place=places.get(found),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.subject, row.fact)))


def subject_rows(facts: Sequence[FactRow]) -> tuple[SubjectRow, ...]:
    """Return one row for each data subject: the worst over its facts."""
    rows = []
    for subject, group in groupby(facts, key=lambda row: row.subject):
        mine = list(group)
        after = [row for row in mine if row.leaked_after is not None]
        bits_after = [row.worst_case_bits_after for row in mine if row.worst_case_bits_after is not None]
        rows.append(
            SubjectRow(
                subject=subject,
                facts=len(mine),
                leaked_before=sum(row.leaked_before for row in mine),
                leaked_after=sum(bool(row.leaked_after) for row in mine) if after else None,
                worst_case_bits_before=min(row.worst_case_bits_before for row in mine),
                worst_case_bits_after=min(bits_after) if bits_after else None,
            )
        )
    return tuple(rows)
