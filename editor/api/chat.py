"""The same prompts to an edited model and to the original, one at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from editor.api.folder_requests import ChatRequest
from editor.api.known import Known
from editor.api.running import checkpoint_of, read_policy, show_stages
from editor.artefacts.text_mask import TextMask
from editor.model.generation import answer
from editor.model.loading import LoadedModel, check_model, load_model
from editor.questions.asking import ask_plainly
from policies import Policy
from policies.errors import RequestError

if TYPE_CHECKING:
    from detectors.engine import Engine

SAID = "said"
Mask = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A prompt and what two models answered to it; what is personal is masked, unless it was to be shown.

    Attributes:
        prompt: The prompt.
        original: Answer of the original model.
        edited: Answer of the edited one.
        differ: Whether the answers differ before they are masked.
    """

    prompt: str = field(repr=False)
    original: str = field(repr=False)
    edited: str = field(repr=False)
    differ: bool


class Chat:
    """Two models that are asked the same. Each prompt stands by itself: neither remembers the one before.

    With a memory the two would soon be in different conversations, and their answers could not be compared.

    Args:
        request: the models, how they answer, and what is masked.

    Raises:
        ExpungeError: a file of the request cannot be used, or a model cannot be loaded.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._mask = _unmasked if request.show_secrets else mask_of(request)
        sources = {"edited": checkpoint_of(request.edited), "original": str(request.against)}
        revisions = {"edited": None, "original": request.revision}
        for name, source in sources.items():
            check_model(source, revision=revisions[name], **self._options())
        stages = show_stages(request)
        models: dict[str, LoadedModel] = {}
        for name, source in sources.items():
            with stages.stage(f"Loading the {name} model"):
                models[name] = load_model(source, revision=revisions[name], **self._options())
        self._original, self._edited = models["original"], models["edited"]

    def ask(self, prompt: str) -> Exchange:
        """Ask both models.

        Raises:
            ModelError: a chat template refuses the prompt, or it holds a token that a model has no embedding of.
        """
        original, edited = (self._answer(model, prompt) for model in (self._original, self._edited))
        return Exchange(
            prompt=self._mask(prompt),
            original=self._mask(original),
            edited=self._mask(edited),
            differ=original != edited,
        )

    def _answer(self, loaded: LoadedModel, prompt: str) -> str:
        asked = self._request
        made = answer(
            loaded,
            ask_plainly(loaded, prompt),
            asked.tokens,
            temperature=asked.temperature,
            seed=asked.seed,
        )
        text: str = loaded.tokenizer.decode(made, skip_special_tokens=True)
        return text

    def _options(self) -> dict[str, Any]:
        asked = self._request
        return {
            "device": asked.device,
            "dtype": asked.dtype,
            "chat": asked.chat,
            "system_prompt": asked.system_prompt,
            "trust_remote_code": asked.trust_remote_code,
        }


def run_chat(request: ChatRequest) -> tuple[Exchange, ...]:
    """Ask an edited model and the original the same, and return what each answered."""
    if not request.prompts:
        raise RequestError("There is nothing to ask", "Give a prompt")
    chat = Chat(request)
    return tuple(map(chat.ask, request.prompts))


def mask_of(request: ChatRequest) -> Mask:
    """Return what masks texts: the names and secrets of the files, digits, e-mail addresses, and the policy's types.

    Raises:
        CorpusError: the facts file cannot be read.
        PolicyError: the request or the policy cannot be used.
    """
    known = Known.read(request.facts, request.request)
    names, secrets = sorted(known.names), sorted(known.secrets)
    engine = None if request.policy is None else _engine(read_policy(request.policy), known)

    def mask(text: str) -> str:
        spans = [(span.start, span.end) for span in engine.scan(text).spans] if engine else []
        return TextMask(names, secrets, {SAID: spans}).mask(text, SAID)

    return mask


def _engine(policy: Policy, known: Known) -> "Engine":
    """Return what detects a policy's types, and the known names."""
    from detectors import Register
    from detectors.engine import Engine

    register = Register()
    for name in sorted(known.names):
        register.add_person(name)
    return Engine(policy, register)


def _unmasked(text: str) -> str:
    return text
