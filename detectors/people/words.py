"""Capitalised words that are no names, by what they tell about the capitalised words around them.

Languages have their own function words in addition, which spaCy's blank pipelines bring. Common first names ("Will",
"May", "Rose") are not here, and words that are surnames as well are in sets of their own: it is better to take a
heading for a name, which leaves a secret unlinked, than a name for a heading, which gives the secret to somebody else.
"""


def _set(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


TITLES = _set(
    "mr mrs ms mx miss dr prof professor doctor sir madam dame lord lady rev reverend father sister brother aunt "
    "uncle nurse judge captain capt lt sgt sergeant colonel officer senator sen herr herrn frau fräulein monsieur "
    "madame mademoiselle mme mlle señor señora señorita sr sra srta don doña signor signora sig dott dottore "
    "meneer mevrouw mevr dhr fru hr pan pani"
)
"""A form of address before a name: one word after it is enough."""

PARTICLES = _set(
    "van von vom der den de del della dello dei di da das dos do du des la le las los el al bin ibn bint ben abu "
    "ter ten te zu zum zur af av st y e i"
)
"""Lower-case words inside a name."""

_FUNCTION = (
    "the a an this that these those his her hers its their theirs our ours your yours my mine he she it they we "
    "you i him them us me who whom what which whose when where why how if as at by for from in into of off on "
    "onto or and but nor not no yes so than then there here to up with without within after before since until "
    "till while during about above across against along among around between beyond below beside besides despite "
    "except inside outside through throughout toward towards under upon via please dear hello hi hey thanks thank "
    "also both each every either neither all any some such same other others another anyone anybody everyone "
    "everybody nobody somebody someone nothing something many most more much few several one two three four five "
    "six seven eight nine ten first second third last next former current previous today yesterday tomorrow "
    "tonight now later earlier once again still yet just only even very too never always often usually sometimes "
    "recently currently finally however therefore moreover meanwhile perhaps maybe although though because unless "
    "is are was were be been being am do does did has have had can could should would must might shall let "
    "according instead soon ok okay it's that's there's here's let's what's who's he's she's i'm i've i'll you're "
    "we're they're don't true false none null"
)
_ASKING = (
    "call calls ring dial ask visit contact write email e-mail phone mail send see tell meet text reach leave "
    "find give take use get make put keep bring pay charge debit transfer forward reply answer remember check "
    "confirm update add remove delete enter open close click download follow join return read view print save"
)
_TIMES = (
    "february march july september october november december feb apr jun jul aug sep sept oct nov dec monday "
    "tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun spring morning afternoon "
    "evening night christmas ramadan thanksgiving am pm gmt utc est pst montag dienstag mittwoch donnerstag "
    "freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi dimanche"
)
_FORMS = (
    "number numbers mobile cell cellphone telephone tel fax address addresses home work street town zip postal "
    "code post card credit account accounts bank iban bic ssn social security tax id ids identity identification "
    "passport license licence driver drivers driver's date birth birthday dob name names middle given family "
    "maiden user username login password pin age sex gender nationality customer customers client clients patient "
    "patients employee employees member members student students applicant applicants tenant tenants resident "
    "residents subject person people guest guests visitor visitors holder owner user users admin caller sender "
    "recipient party emergency details detail information info data record records file files form forms note "
    "notes summary overview history employment education experience skills background references reference "
    "medical personal professional private confidential urgent important billing shipping delivery payment "
    "payments order orders invoice invoices receipt refund ticket request requests claim claims policy contract "
    "agreement terms conditions privacy notice warning report reports annual quarterly monthly weekly daily "
    "meeting meetings minutes agenda project projects plan plans budget section chapter part table figure "
    "appendix attachment attachments index contents introduction conclusion results discussion title topic re fw "
    "fwd cc bcc sent regards sincerely best kind yours faithfully cheers warm wishes message messages memo letter "
    "letters draft final version status type category description comment comments remark remarks total amount "
    "fee fees balance due line desk front reception department division team unit group staff payroll directory "
    "list lists register registration registry admission appointment appointments schedule shift shifts room "
    "floor building suite apartment apt box block entry new old high low north south east west main online "
    "website web site link internet network server system computer laptop device key keys value field fields "
    "column row example test tests sample question questions answer answers help support office location place "
    "region area country city state county zone url ip http https www pdf usb usa uk us eu uae un nato gdpr hipaa "
    "vat hr it faq asap rsvp n/a tba tbd todo nb ps po p.o fpo apo dpo psc uss usns usnv uscgc blood allergies "
    "diagnosis treatment therapy prescription medication insurance insurer pension benefits salary wage bonus "
    "loan mortgage deposit savings checking holiday vacation leave absence training course courses degree "
    "certificate diploma graduation welcome happy good great little big red blue green white black national "
    "international global federal local public central united general special digital"
)
_ROLES = (
    "manager managers director president vice chief executive officer officers ceo cto cfo coo head senior junior "
    "assistant associate deputy lead leader nurses doctors surgeon physician engineer engineering developer "
    "analyst consultant accountant secretary clerk teacher lecturer attorney lawyer agent agents representative "
    "supervisor coordinator administrator specialist technician therapist pharmacist practitioner receptionist "
    "librarian registered marketing sales finance financial human resources operations service services relations "
    "quality product products software hardware science research development administration management accounting "
    "legal mother mum mom dad parent parents husband wife son daughter child children spouse partner neighbour "
    "neighbor friend colleague guardian landlord employer witness defendant plaintiff"
)
_PEOPLES = (
    "english american british german french spanish italian dutch swedish norwegian danish finnish polish russian "
    "ukrainian chinese japanese korean indian arabic turkish greek portuguese brazilian mexican canadian "
    "australian irish scottish welsh swiss austrian european african asian latin catholic protestant muslim "
    "jewish buddhist hindu olympic democrat democratic republican germany france spain italy england scotland "
    "wales netherlands belgium switzerland austria sweden norway denmark finland poland russia ukraine turkey "
    "greece portugal brazil mexico canada australia japan korea pakistan egypt nigeria europe africa britain "
    "california texas ohio michigan illinois pennsylvania oregon colorado utah alaska hawaii massachusetts "
    "connecticut maryland minnesota wisconsin missouri mississippi louisiana alabama tennessee kentucky oklahoma "
    "kansas nebraska iowa idaho wyoming arizona vermont delaware arkansas google microsoft amazon netflix ebay "
    "spotify facebook youtube twitter linkedin instagram whatsapp gmail outlook skype paypal visa mastercard "
    "windows linux android iphone ipad python java excel internet wikipedia"
)
COMMON = _set(_FUNCTION, _ASKING, _TIMES, _FORMS, _ROLES, _PEOPLES)
"""A capitalised word that ends a name on either side: a sentence's first word, a word of headings, forms and roles."""

NAMES_TOO = _set(
    "will may mark grant rose hope faith joy grace bill rob sue pat dean drew chase hunter mason page art gene jack "
    "john frank earnest ernest victor guy iris ivy lily daisy violet ruby pearl amber jade crystal summer autumn dawn "
    "eve april june august melody harmony destiny trinity serenity patience prudence constance chastity clay cliff "
    "forest heath reed ray rusty sandy stormy sunny skip tanner taylor tucker turner walker baker butler carpenter "
    "carter cook cooper fisher forester gardener hill woods wood stone brook brooks rivers lake marsh moss field "
    "fields bush king knight bishop pope prince duke noble sharp swift strong wise young long short small bond price "
    "cash rich penny bell ball barber bean berry bird fox wolf lamb crane drake finch hawk swan robin martin jay buck "
    "colt mark max miles norm peg ken don ron tom tim sam ben dan ed al ash kay lee love lane street church temple "
    "power powers law judge justice marshal major sergeant case chance chase curry dale day dash dolly don ford french "
    "frost gale glass gold golden hardy harp hart hatch hay holiday hood horn house hunt ink jewel job keen kit lark "
    "law loft lord love luck mace mercy merry mills muse nick olive page park parks pepper pike poll poole post prior "
    "quill rain read rice rock roman rush sage salt savage sherry singer sparks spring star steel storm tate teller "
    "tiller todd trip vale vent ward warden ware waters webb weeks wells west wilder winter worth wren yard"
)
"""Names that are words as well: small letters do not tell a name of such words alone."""

SURNAMES_TOO = _set(
    "best black block english fee field fields french good green holder key little more north south east west "
    "parent post read ring room white red blue spring major home long lange gross lang branch bank young big son "
    "friend general christian lead floor line link lawyer junior"
)
"""Common words that are surnames after a first name."""

ORGANISATIONS = _set(
    "inc corp corporation co company companies ltd limited llc llp plc gmbh ag kg mbh sarl spa bv nv ab oy asa "
    "pty group holdings partners associates industries enterprises solutions technologies technology consulting "
    "logistics laboratories labs media studios motors airlines airways pharmaceuticals pharmacy electronics foods "
    "energy ventures capital securities investments bank banking insurance university college school academy "
    "institute hospital clinic infirmary center centre surgery hospice foundation trust society association union "
    "federation committee council commission authority agency bureau ministry government parliament congress "
    "assembly hotel inn restaurant cafe café bakery theatre theater museum library gallery cathedral chapel "
    "station airport stadium club fc times gazette herald tribune journal magazine news radio awards award prize "
    "festival cup league championship championships army navy police act treaty convention department stores "
    "store shop market supermarket universität krankenhaus klinik schule verein stiftung sparkasse université "
    "hôpital école société universidad banco università ospedale incorporated unlimited robotics networks movers "
    "maintenance repair repairs supply supplies plumbing construction builders cleaning landscaping catering "
    "realty properties estates bros manufacturing printing publishing publishers press tv television broadcasting "
    "films productions entertainment games interactive wireless telecom communications consultants advisors "
    "analytics insights apps app healthcare wellness dental fitness salon systems software services"
)
"""Any of these among capitalised words makes them an organisation."""

_PLACES_LAST = (
    "street road rd avenue ave boulevard blvd terrace crescent highway hwy parkway drive freeway turnpike quay "
    "wharf mews city county borough district province republic kingdom states islands island isles "
    "peninsula river ocean sea valley mountains beach bay harbour harbor springs falls heights rapids creek "
    "gardens airport junction village township straße strasse str platz allee gasse weg straat laan plein gatan "
    "vägen"
)
PLACES_LAST = _set(_PLACES_LAST)
"""The last word of places that is hardly a surname."""

STREETS_OR_SURNAMES = _set(
    "mountain hills plaza lane court way place park row close square grove bridge st dr ln ct pl hill"
)
"""The last word of a street, where a house number or two more words precede; else a surname."""

PLACES_FIRST = _set(
    "new san santa santo são saint sankt los las fort port puerto cape costa mount lake lago gulf bahía rio río "
    "monte north south east west northern southern eastern western upper lower great greater rue via calle "
    "avenida avenue plaza piazza place boulevard chemin rua paseo isle"
)
"""The first word of places."""

PLACES = _set(
    "hong_kong sri_lanka saudi_arabia sierra_leone burkina_faso ivory_coast buenos_aires kuala_lumpur "
    "tel_aviv abu_dhabi baton_rouge des_moines el_paso el_salvador la_paz de_moines addis_ababa "
    "phnom_penh ulan_bator le_havre le_mans la_rochelle palo_alto salt_lake grand_canyon silicon_valley "
    "wall_street bad_homburg baden_baden bosnia_herzegovina papua_guinea trinidad_tobago czech_republic "
    "little_rock ann_arbor coral_gables chapel_hill beverly_hills santa_monica virginia_beach carson_city "
    "bowling_green council_bluffs sioux_falls cedar_rapids corpus_christi isla_vista santa_fe terre_haute "
    "eau_claire la_crosse boca_raton delray_beach"
)
"""Places of two words that no rule tells."""

PLACING = _set(
    "in at near outside across throughout the joined founded company firm called titled avenue rue calle "
    "boulevard ul. c/"
)
"""A word after which capitalised words are a place, an organisation or a title."""

PLACED = tuple(
    sorted(
        _set(
            "mov liv arriv stay relocat emigrat immigrat commut travel flew drove native hail originally city town "
            "village state county province bank university college port isle gulf capital mayor bishop district "
            "church resident citizen outskirt suburb"
        )
    )
)
"""How words begin after which "of", "from" and "to" lead to a place."""

EMPLOYED = ("work", "job", "employ", "career", "intern", "freelanc", "consult")
"""How words begin after which "for", "at", "by" and "with" lead to an organisation."""

POSTNOMINALS = _set("MD DO RN JD MA BA PA MP QC KC HR IT VP")
"""Two letters after a name and a comma that may be no state of the USA."""

HAVING = _set(
    "has had is was answers answered lives lived resides uses used owns pays paid gave gives says said called rang "
    "wrote can"
)
"""A verb after a single word that so is somebody."""

THINGS_OF_PEOPLE = _set(
    "phone number numbers mobile cell email e-mail mail address ssn iban passport birthday birth card account inbox "
    "home house line"
)

RELATIVES = _set(
    "mother father mom mum dad parent parents wife husband spouse partner fiance fiancee son daughter child children "
    "kid kids brother sister sibling uncle aunt cousin nephew niece grandmother grandfather grandson granddaughter "
    "boss manager supervisor assistant secretary employer employee colleague coworker teacher doctor dentist "
    "physician therapist nurse lawyer attorney accountant landlord tenant neighbor neighbour roommate flatmate friend "
    "girlfriend boyfriend agent guardian emergency"
)
"""People who are told by somebody's name: "Ada Quill's mother". "Emergency" is of an emergency contact."""

NAMING_GERMAN = _set(
    "von bei für an mit und oder durch gegen namens heißt heisst ist war als sie erreicht erreichen kontaktiert "
    "Sie Von Bei Für An Mit"
)
"""A word before a name in German."""

HAVING_GERMAN = _set(
    "hat hatte ist war wohnt lebt arbeitet sagt sagte schreibt schrieb nutzt zahlt besitzt heißt unter geboren geb"
)
"""A word after a name in German."""

NOUN_ENDINGS = (
    *(
        "nummer",
        "straße",
        "strasse",
        "adresse",
        "karte",
        "konto",
        "heit",
        "keit",
        "schaft",
        "platz",
        "gasse",
        "allee",
    ),
    *(
        "telefon",
        "daten",
        "versicherung",
        "verbindung",
        "rechnung",
        "buchung",
        "zeichnung",
        "leitung",
        "stelle",
    ),
    *("abteilung", "meldung", "ordnung", "zahlung", "handlung", "datum", "anschrift", "vertrag", "termin"),
)
"""How German nouns end that are no names."""

COUNTRIES_TOO = _set(
    "kenya israel jordan china georgia oman chad trinidad france india ireland cyprus malta holland portugal congo "
    "paraguay grenada dominica salvador niger mali cuba kuwait korea japan samoa macedonia florence paris london "
    "sydney melbourne perth adelaide austin dallas houston madison lincoln jackson denver phoenix orlando savannah "
    "charlotte brooklyn florida virginia carolina dakota montana nevada indiana asia america europe"
)
"""Countries, states and cities that are names of people as well: one of them alone is a place."""

INTRODUCING = (
    "my name is",
    "name is",
    "named",
    "call me",
    "calls me",
    "i am called",
    "this is",
    "i'm",
    "i am",
)
"""What a name follows, in any case."""

SPEAKING = HAVING | _set(
    "asked told shouted replied wrote wants wanted works worked went came moved left said thinks thought knows knew "
    "had will would likes loves met sent bought sold and or"
)
"""A word after a single one that so is somebody, if it is a name at all."""
