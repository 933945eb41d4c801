"""`expunge dictionary show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.feature_view import print_feature
from editor.cli.dictionary.inputs import check, load, make_batches, only_site, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, DICTIONARY, MODEL
from editor.cli.dictionary.progress import advancing
from editor.cli.json_output import json_wanted, print_result
from editor.cli.names import SiteName
from editor.cli.options import BATCH_SIZE, JSON, QUIET, REQUEST, SUBJECTS, loading_options
from policies.errors import ExitCode

if TYPE_CHECKING:
    from dictionaries import Dictionary, Site
    from editor.artefacts.text_mask import TextMask
    from editor.case import Case
    from editor.model.loading import LoadedModel
    from editor.progress import Stages

FACTS_SHOWN = 10


@click.command()
@DICTIONARY
@MODEL
@CORPUS
@click.option("--feature", type=click.IntRange(min=0), required=True, help="Number of the feature, from 0.")
@click.option(
    "--site", type=SiteName(), help="Site such as mlp_out.3, where DICTIONARY holds several or does not say."
)
@click.option(
    "--contexts", type=click.IntRange(min=0), default=10, show_default=True, help="Contexts to show."
)
@click.option(
    "--facts",
    type=click.Path(path_type=Path),
    help="A facts file: say which of its facts the feature carries.",
)
@REQUEST
@SUBJECTS
@click.option(
    "--policy",
    default="gdpr",
    show_default=True,
    help="Policy for these facts: a YAML file or a preset's name.",
)
@click.option(
    "--case-key",
    type=click.Path(path_type=Path, exists=True),
    help="Case key of a report, to name facts as it does.  [default: a new one]",
)
@click.option(
    "--unmask",
    is_flag=True,
    help="Show the corpus as it stands: names, digits and e-mail addresses, which are masked otherwise.",
)
@CONTEXT
@BATCH_SIZE
@loading_options
@QUIET
@JSON
def show(
    dictionary_path: Path,
    source: str,
    corpus_path: Path,
    feature: int,
    site: "Site | None",
    contexts: int,
    unmask: bool,
    context: int,
    quiet: bool,
    facts: Path | None,
    request: Path | None,
    subjects: tuple[str, ...],
    policy: str,
    case_key: Path | None,
    **loading: Any,
) -> None:
    """Show where one feature is largest, how often it fires, which tokens it promotes, and which facts it carries.

    Names of people are masked as far as the case knows them, or, without --facts, --request and --subject, as far as
    the corpus says whom it is about. Facts are those of a facts file, or those found in the corpus about the subjects
    of a request; labels name them.
    """
    from dictionaries import load_dictionaries, view_feature
    from dictionaries.model.sites import input_device
    from editor.api.requests import CaseRequest
    from editor.api.running import read_case, read_policy
    from editor.api.stages import make_stages

    stages = make_stages(quiet=quiet)
    check(corpus_path, dictionary_path)
    loaded = load(source, stages, **loading)
    found = load_dictionaries(dictionary_path, loaded.model, site=site)
    chosen = found[only_site(found)].to(input_device(loaded.model))
    batches = make_batches(read_texts(corpus_path), loaded, context)
    asked = CaseRequest(
        corpus=corpus_path,
        facts=facts,
        request=request,
        subjects=subjects,
        policy=policy,
        case_key=case_key,
    )
    case = read_case(asked, read_policy(policy), stages) if facts or request or subjects else None
    with stages.stage("Reading activations", len(batches)) as advance:
        view = view_feature(
            loaded.model,
            loaded.tokenizer,
            advancing(batches, advance),
            chosen,
            feature,
            contexts=contexts,
            unmask=unmask,
            mask=_mask(case, corpus_path).mask,
        )
    carried = None if case is None else _facts(loaded, chosen, feature, case, case_key, stages)
    if json_wanted():
        rows = None if carried is None else [{"fact": fact, "adds": logits} for fact, logits in carried]
        print_result(ExitCode.MET, site=str(chosen.config.site), view=view, facts=rows)
    else:
        print_feature(view, str(chosen.config.site), carried)


def _mask(case: "Case | None", corpus: Path) -> "TextMask":
    """Return what masks names: everybody whom the case knows, or whom the corpus says that it is about."""
    from detectors import read_corpus
    from detectors.extract import read_names
    from editor.artefacts.text_mask import TextMask

    if case is not None:
        return TextMask.of(case)
    register, _ = read_names(read_corpus(corpus))
    return TextMask(register.subjects, ())


def _facts(
    loaded: "LoadedModel",
    dictionary: "Dictionary",
    feature: int,
    case: "Case",
    case_key: Path | None,
    stages: "Stages",
) -> list[tuple[str, float]]:
    import torch

    from editor.artefacts.masking import CaseKey
    from editor.locators.feature_facts import attribute_facts

    key = CaseKey.load_or_generate(case_key) if case_key else CaseKey.generate()
    site = dictionary.config.site
    with stages.stage("Attributing facts"):
        result = attribute_facts(
            loaded, case.probes, {site: dictionary}, {site: torch.tensor([feature])}, seed=case.seed
        )
    return result.of(site, 0, key, FACTS_SHOWN)
