import pytest

from policies import ErasureRequest, Subject, load_request
from policies.errors import PolicyError


@pytest.fixture
def write(tmp_path):
    def write_request(text):
        path = tmp_path / "request.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_request


def test_names_may_be_plain_or_with_aliases(write):
    request = load_request(
        write(
            "case: RM-1\nsubjects:\n  - Ben  Ross\n  - name: Ada Quill\n    aliases: [A. Quill, Ada\n     Moss]\n"
        )
    )
    assert [subject.name for subject in request.subjects] == ["Ben Ross", "Ada Quill"]
    assert request.subjects[1].aliases == ("A. Quill", "Ada Moss")
    assert request.entity_types is None


def test_from_names():
    request = ErasureRequest.from_names(["Ada Quill", "Ben Ross"], case="RM-2")
    assert request.case == "RM-2"
    assert [subject.name for subject in request.subjects] == ["Ada Quill", "Ben Ross"]


@pytest.mark.parametrize("names", [[], [" "], ["Ada Quill", "ada  quill"]])
def test_unusable_names_are_refused(names):
    with pytest.raises(PolicyError):
        ErasureRequest.from_names(names)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("case: a\n", "`subjects` is missing"),
        ("case: a\nsubjects: []\n", "`subjects`"),
        ("case: 12\nsubjects: [Ada Quill]\n", "`case`"),
        ("case: a\nsubjects: Ada Quill\n", "`subjects`"),
        ("case: a\nsubjects: {Ada Quill: [A. Quill]}\n", "`subjects`"),
        ("case: a\nsubjects: [{Ada Quill: x}]\n", "`subjects[0]"),
        ("case: a\nsubject: [Ada Quill]\n", "unknown key `subject` (and 1 more)"),
        ("case: a\nAda Quill: [A. Quill]\n", "`subjects` is missing"),
        ("case: a\nsubjects: [Al]\nAda Quill: x\n", "there is an unknown key"),
        ("case: a\nsubjects: [{name: Ada Quill, aliases: Quill}]\n", "`subjects[0].aliases`"),
        ("case: a\nsubjects: [{name: Ada Quill, alias: [Quill]}]\n", "subjects[0].alias`"),
        ("case: a\nsubjects: [Ada Quill, {name: Al, aliases: [ada quill]}]\n", "subjects 1 and 2 share"),
        ("case: a\nsubjects: [Ada Quill\n", "not valid YAML"),
        ("case: a\nsubjects: [{name: Al, secrets: {US_SSN: 123456789}}]\n", "a secret is no text"),
        ("case: a\nsubjects: [{name: Al, secrets: [US_SSN]}]\n", "`subjects[0].secrets[0]"),
        ("case: a\nsubjects: [{name: !!binary QWw=}]\n", "`subjects[0].name`"),
        ("case: !!binary QWw=\nsubjects: [Al]\n", "`case`"),
        ("case: a\nsubjects: [{name: Al, email: al.example}]\n", "not an e-mail address"),
        ("case: a\nsubjects: [{name: Al, email: [a@b, 'c d@e']}]\n", "not an e-mail address"),
        ("case: a\nsubjects: [{name: Al, aliases: ['']}]\n", "an alias is empty"),
        ("case: a\nsubjects: [{name: Al, secrets: {US_SSN: ' '}}]\n", "`subjects[0].secrets[0]"),
        ("case: a\nsubjects: [{name: Al, secrets: {Ada Quill: '1'}}]\n", "`subjects[0].secrets[0]"),
        (
            "case: a\nsubjects: [{name: Al, secrets: {US_SSN: '1'}}]\nentity_types: [URL]\n",
            "hands in US_SSN, which `entity_types` leaves out",
        ),
    ],
)
def test_mistakes_name_file_and_key_but_nobody(write, text, named):
    path = write(text)
    with pytest.raises(PolicyError) as caught:
        load_request(path)
    assert str(path) in caught.value.cause
    assert named in caught.value.cause
    assert "quill" not in str(caught.value).lower()


def test_repr_shows_no_name():
    assert "Quill" not in repr(ErasureRequest.from_names(["Ada Quill"]))
    subject = Subject(name="Ada Quill", aliases=("A. Quill",), email=["ada@quill.example"], born="1990-02-03")
    assert not [word for word in ("uill", "1990", "date") if word in repr(subject)]


def test_a_name_may_be_one_letter(write):
    assert load_request(write("case: a\nsubjects: [李]\n")).subjects[0].name == "李"


def test_what_is_handed_in_is_read_by_type_and_shown_to_nobody(write):
    request = load_request(
        write(
            "case: a\nsubjects:\n  - name: Ada Quill\n    secrets:\n      US_SSN: '012-34  5678'\n"
            "      PHONE_NUMBER: ['0415', '0415', '0416']\n"
        )
    )
    (subject,) = request.subjects
    assert subject.secrets == (
        ("US_SSN", "012-34 5678"),
        ("PHONE_NUMBER", "0415"),
        ("PHONE_NUMBER", "0416"),
    )
    assert request.secret_types == {"US_SSN", "PHONE_NUMBER"}
    assert not [secret for _, secret in subject.secrets if secret in repr(request)]
    again = request.with_people_of([ErasureRequest.from_names(["Ada Quill", "Ben Ross"])])
    assert again.subjects[0] == subject


def test_one_address_or_several(write):
    text = (
        "case: a\nsubjects: [{name: Al, email: a@b.example}, {name: Bo, email: [c@d.example, e@f.example]}]\n"
    )
    found = load_request(write(text)).subjects
    assert [subject.emails for subject in found] == [("a@b.example",), ("c@d.example", "e@f.example")]
