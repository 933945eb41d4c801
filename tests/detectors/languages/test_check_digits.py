"""Numbers that others have published as examples, and the same with another digit."""

import pytest

from detectors.languages.identities import Identities

PUBLISHED = {
    "12345678Z": "NIF",
    "X2482300W": "NIE",
    "54362315K": "NIF",
    "36574261809": "Steuer-ID",
    "1237010180": "Sozialversicherungsnummer (Austria)",
    "33392005961": "OIB",
    "85.07.30-033.28": "numéro national (Belgium)",
    "295109912611193": "numéro de sécurité sociale",
    "RCCMNL83S18D969H": "codice fiscale",
    "131052-308T": "henkilötunnus",
    "880320-0016": "personnummer",
    "710319/2745": "rodné číslo",
    "37605030299": "isikukood",
    "33309240064": "asmens kodas",
    "161175-19997": "personas kods",
    "0101006500006": "EMŠO",
    "501964843": "NIF (Portugal)",
    "390.533.447-05": "CPF",
    "1630615123457": "CNP",
    "7523169263": "ЕГН",
    "111222333": "BSN",
    "44051401359": "PESEL",
    "8567346215": "NIP",
    "8071592153": "adóazonosító jel",
    "01013099997": "ΑΜΚΑ",
    "094259216": "ΑΦΜ",
    "10259033P": "TIC (Cyprus)",
    "6433435F": "PPS number",
    "6433435FT": "PPS number",
    "360426199101010071": "身份证",
    "123456789018": "マイナンバー",
}


@pytest.fixture(scope="module")
def names(everything):
    identities = Identities(everything)
    return lambda number: {kind.name for _, kind in identities._fitting(number)}


@pytest.mark.parametrize(("number", "name"), PUBLISHED.items())
def test_a_published_number_is_valid(names, number, name):
    assert name in names(number)


@pytest.mark.parametrize(("number", "name"), PUBLISHED.items())
def test_another_check_digit_is_not(names, number, name):
    """One sign too many or too few of the number's last digits is noticed by every rule."""
    last = max(at for at, sign in enumerate(number) if sign.isdigit())
    wrong = number[:last] + str((int(number[last]) + 1) % 10) + number[last + 1 :]
    assert name not in names(wrong)


def test_a_number_that_fits_by_chance_needs_a_context_word(everything):
    identities = Identities(everything)
    assert not list(identities.find("The parcel 111222333 was sent to Leeds."))
    assert not list(identities.find("Lot 36574261809 was sold, they say."))
    assert list(identities.find("Haar BSN is 111222333."))


def test_digits_of_other_scripts_upset_nothing(everything):
    identities = Identities(everything)
    for text in ("RCCMNL٨٣S١٨D٩٦٩H", "PESEL ٤٤٠٥١٤٠١٣٥٩", "BSN １１１２２２３３３"):
        assert not list(identities.find(text))
