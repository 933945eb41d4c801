"""`expunge dictionary show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.feature_view import print_feature
from editor.cli.dictionary.inputs import load, make_batches, only_site, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, DEVICE, DICTIONARY, MODEL, QUIET
from editor.cli.dictionary.progress import advancing
from editor.cli.names import SiteName
from editor.cli.options import TRUST_REMOTE_CODE

if TYPE_CHECKING:
    from dictionaries import Dictionary, Site
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
@click.option(
    "--request",
    type=click.Path(path_type=Path),
    help="An erasure request: say which of its facts the feature carries.",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    help="A data subject: say which of their facts the feature carries; repeatable.",
)
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
@click.option("--unmask", is_flag=True, help="Show digits and e-mail addresses as the corpus has them.")
@CONTEXT
@DEVICE
@TRUST_REMOTE_CODE
@QUIET
def show(
    dictionary_path: Path,
    source: str,
    corpus_path: Path,
    feature: int,
    site: "Site | None",
    contexts: int,
    unmask: bool,
    context: int,
    device: str,
    trust_remote_code: bool,
    quiet: bool,
    **of_case: Any,
) -> None:
    """Show where one feature is largest, how often it fires, which tokens it promotes, and which facts it carries.

    Facts are those of a facts file, or those found in the corpus about the subjects of a request; labels name them.
    """
    from dictionaries import load_dictionaries, view_feature
    from dictionaries.model.sites import input_device
    from editor.api.stages import make_stages

    stages = make_stages(quiet=quiet)
    loaded = load(source, device, stages, trust_remote_code=trust_remote_code)
    found = load_dictionaries(dictionary_path, loaded.model, site=site)
    chosen = found[only_site(found)].to(input_device(loaded.model))
    batches = make_batches(read_texts(corpus_path), loaded, context)
    with stages.stage("Reading activations", len(batches)) as advance:
        view = view_feature(
            loaded.model,
            loaded.tokenizer,
            advancing(batches, advance),
            chosen,
            feature,
            contexts=contexts,
            unmask=unmask,
        )
    facts = None
    if of_case["facts"] or of_case["request"] or of_case["subjects"]:
        facts = _facts(loaded, chosen, feature, {**of_case, "corpus": corpus_path}, stages)
    print_feature(view, str(chosen.config.site), facts)


def _facts(
    loaded: "LoadedModel", dictionary: "Dictionary", feature: int, of_case: dict[str, Any], stages: "Stages"
) -> list[tuple[str, float]]:
    import torch

    from editor.api.requests import CaseRequest
    from editor.api.running import read_case, read_policy
    from editor.artefacts.masking import CaseKey
    from editor.locators.feature_facts import attribute_facts

    path: Path | None = of_case["case_key"]
    key = CaseKey.load_or_generate(path) if path is not None else CaseKey.generate()
    request = CaseRequest(**of_case)
    case = read_case(request, read_policy(request.policy), stages)
    site = dictionary.config.site
    with stages.stage("Attributing facts"):
        result = attribute_facts(
            loaded, case.probes, {site: dictionary}, {site: torch.tensor([feature])}, seed=case.seed
        )
    return result.of(site, 0, key, FACTS_SHOWN)
