"""Each finder by itself, in words that the sentences do not have."""

import pytest

from detectors.languages.birth_dates import find_birth_dates
from detectors.languages.phones import NationalPhones
from detectors.languages.streets import find_streets


@pytest.fixture(scope="module")
def births(everything):
    return lambda text: [text[start:end] for start, end in find_birth_dates(text, everything)]


@pytest.fixture(scope="module")
def streets(everything):
    def find(text):
        spans = {(street.start, street.end) for street in find_streets(text, everything)}
        return [text[start:end] for start, end in sorted(spans)]

    return find


@pytest.fixture(scope="module")
def phones(everything):
    finder = NationalPhones(everything, ())
    return lambda text: sorted({text[start:end] for start, end, _ in finder.find(text)})


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("geboren am 12.03.1981", "12.03.1981"),
        ("Geb.: 12.3.81", "12.3.81"),
        ("Lena Vogt (* 12. März 1981) malt", "12. März 1981"),
        ("née le 12/03/1981", "12/03/1981"),
        ("né à Saint-Denis, le 1er août 1981", "1er août 1981"),
        ("Elle naquit le 3 févr. 1975", "3 févr. 1975"),
        ("born on 12 Mar 1981", "12 Mar 1981"),
        ("Born: Sept. 3, 1981", "Sept. 3, 1981"),
        ("born on the 3rd of May 1981", "3rd of May 1981"),
        ("Ann Lee (b. 12 March 1981)", "12 March 1981"),
        ("urodzona 3 maja 1975 r.", "3 maja 1975"),
        ("op 3 mei 1975 geboren", "3 mei 1975"),
        ("1975年5月3日生まれ", "1975年5月3日"),
        ("生于1975年5月3日", "1975年5月3日"),
        ("NÉE LE 12 MARS 1981", "12 MARS 1981"),
        ("nato a Roma (09.08.1977)", "09.08.1977"),
    ],
)
def test_a_date_of_birth(births, text, date):
    assert births(text) == [date]


@pytest.mark.parametrize(
    "text",
    [
        "Signed on 12 Mar 1981 in Leeds",
        "She was born in Leeds. On 3 May 2001 the bridge was opened",
        "born 1981, the firm was sold on 3 May 2001",
        "Anna Keller, née Vogt, est partie. Le 12/03/1981 il pleuvait",
        "née Vogt le 12/03/1981",
        "* 12.03.2019: the list is new",
        "She was born in Leeds and died on 3 May 2001",
        "geboren in Ulm, gestorben am 3.5.2001",
        "né à Lyon, mort à Paris le 3 mai 2001",
        "geboren am 32.13.1981",
        "born 3 Smarch 1981",
    ],
)
def test_no_date_of_birth(births, text):
    assert births(text) == []


@pytest.mark.parametrize(
    ("text", "street"),
    [
        ("Berliner Allee 12", "Berliner Allee 12"),
        ("Er wohnt Am Markt 5", "Am Markt 5"),
        ("wohnhaft Königstr. 18b", "Königstr. 18b"),
        ("12 rue des Lilas", "12 rue des Lilas"),
        ("12 RUE DES LILAS", "12 RUE DES LILAS"),
        ("elle habite 12 rue des lilas", "12 rue des lilas"),
        ("er wohnt berliner allee 12", "berliner allee 12"),
        ("STORGATAN 14", "STORGATAN 14"),
        ("123 Main St., Springfield, IL 62701", "123 Main St., Springfield, IL 62701"),
        ("3 bis, place de l'Église, 69001 Lyon", "3 bis, place de l'Église, 69001 Lyon"),
        ("Rue Neuve 20 à Bruxelles", "Rue Neuve 20"),
        ("via Garibaldi 14", "via Garibaldi 14"),
        ("Via XX Settembre, 7", "Via XX Settembre, 7"),
        ("Calle Mayor, 14", "Calle Mayor, 14"),
        ("Paseo de la Castellana nº 200", "Paseo de la Castellana nº 200"),
        ("ul. 3 Maja 10", "ul. 3 Maja 10"),
        ("Rákóczi út 7", "Rákóczi út 7"),
        ("350 5th Ave", "350 5th Ave"),
        ("482 MAPLE RIDGE LANE", "482 MAPLE RIDGE LANE"),
        ("he lives at 482 maple ridge lane now", "482 maple ridge lane"),
        (
            "1200 Market St Apt 4B, San Francisco, CA 94103",
            "1200 Market St Apt 4B, San Francisco, CA 94103",
        ),
        ("7 oak st unit 3, salem, or 97301", "7 oak st unit 3, salem, or 97301"),
        ("大阪府大阪市北区梅田3丁目1番3号", "大阪府大阪市北区梅田3丁目1番3号"),
        ("地址：上海市浦东新区世纪大道100号20楼", "上海市浦东新区世纪大道100号20楼"),
    ],
)
def test_a_street_address(streets, text, street):
    assert street in streets(text)


@pytest.mark.parametrize(
    "text",
    [
        "We flew via London 12 times and were tired",
        "It is a 5 minute drive from here, she lives near the sea",
        "She found 3 others in the street",
        "Auf dem Parkplatz 12 stand ein Auto",
        "Die Regierung hat im Mai 2012 beschlossen",
        "Il y a 12 places libres",
        "In the main hall of the court 45 people sat",
        "1200 words in 3 lines",
        "Kristina Estrada lives at 184 and has no phone",
    ],
)
def test_no_street_address(streets, text):
    assert streets(text) == []


def test_an_address_ends_with_its_sentence(streets):
    assert streets("He saw 118 Otter Street. The street is wide.") == ["118 Otter Street"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("06.12.34.56.78", "06.12.34.56.78"),
        ("13812345678", "13812345678"),
        ("手机：13812345678", "13812345678"),
        ("Ring mig på 070-123 45 67 i kväll", "070-123 45 67"),
        ("Ti telefono dal 347 123 4567", "347 123 4567"),
        ("tel. 601 234 567", "601 234 567"),
        ("Ihr Handy: 0664 1234567", "0664 1234567"),
    ],
)
def test_a_national_phone_number(phones, text, number):
    assert number in phones(text)


@pytest.mark.parametrize(
    "text",
    [
        "Order 13812345678 was sent to the client",
        "My driver's license number is 50473044",
        "Rechnung 0664 1234567 ist bezahlt",
        "On 2019-2021 they paid 12 345 678",
        "订单13812345678已发货",
    ],
)
def test_no_phone_number(phones, text):
    assert phones(text) == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Sie wohnt nicht bei ihrem Bruder", "de"),
        ("Il est dans la maison avec ses amis", "fr"),
        ("Ona nie jest w domu", "pl"),
        ("Han bor hos sin mor och hon är glad", "sv"),
        ("She is at home with her brother", "en"),
        ("Тя живее тук", "bg"),
        ("彼は東京にいます", "ja"),
        ("她住在北京", "zh"),
    ],
)
def test_the_commonest_words_tell_the_language(everything, text, language):
    assert language in everything.vote(text)
    assert len(everything.vote(text)) <= 3


@pytest.mark.parametrize("text", ["", "4711", "Xyzzy Plugh", "Ada Quill 12"])
def test_nothing_tells_the_language(everything, text):
    assert everything.vote(text) == frozenset()


def test_every_language_names_twelve_months(everything):
    for code, language in everything.languages.items():
        assert len(language.months) == (0 if code in ("ja", "zh") else 12), code
