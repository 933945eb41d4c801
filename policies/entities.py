"""A static table of the entity types that Presidio knows.

Read from presidio-analyzer 2.2.366; a test compares it with the installed recognizers. It is a table, and not
a question to Presidio, because policies must be checked without the seconds that importing Presidio takes.
"""

from difflib import get_close_matches
from typing import NamedTuple


class KnownEntity(NamedTuple):
    """An entry of the table: one entity type of Presidio.

    Attributes:
        recognizer: name of the class in `presidio_analyzer.predefined_recognizers` that finds the type; None where
            only a language model does.
        relation: name of the entity type in plain words.
    """

    recognizer: str | None
    relation: str


KNOWN_ENTITIES: dict[str, KnownEntity] = {
    "ABA_ROUTING_NUMBER": KnownEntity("AbaRoutingRecognizer", "bank routing number"),
    "AU_ABN": KnownEntity("AuAbnRecognizer", "Australian business number"),
    "AU_ACN": KnownEntity("AuAcnRecognizer", "Australian company number"),
    "AU_MEDICARE": KnownEntity("AuMedicareRecognizer", "Medicare number"),
    "AU_TFN": KnownEntity("AuTfnRecognizer", "tax file number"),
    "CA_POSTAL_CODE": KnownEntity("CaPostalCodeRecognizer", "postal code"),
    "CA_SIN": KnownEntity("CaSinRecognizer", "social insurance number"),
    "CREDIT_CARD": KnownEntity("CreditCardRecognizer", "credit card number"),
    "CRYPTO": KnownEntity("CryptoRecognizer", "cryptocurrency wallet address"),
    "DATE_TIME": KnownEntity("DateRecognizer", "date"),
    "DE_BSNR": KnownEntity("DeBsnrRecognizer", "medical practice number"),
    "DE_FUEHRERSCHEIN": KnownEntity("DeFuehrerscheinRecognizer", "driving licence number"),
    "DE_HANDELSREGISTER": KnownEntity("DeHandelsregisterRecognizer", "commercial register number"),
    "DE_HEALTH_INSURANCE": KnownEntity("DeHealthInsuranceRecognizer", "health insurance number"),
    "DE_ID_CARD": KnownEntity("DeIdCardRecognizer", "identity card number"),
    "DE_KFZ": KnownEntity("DeKfzRecognizer", "vehicle registration"),
    "DE_LANR": KnownEntity("DeLanrRecognizer", "physician number"),
    "DE_PASSPORT": KnownEntity("DePassportRecognizer", "passport number"),
    "DE_PLZ": KnownEntity("DePlzRecognizer", "postal code"),
    "DE_SOCIAL_SECURITY": KnownEntity("DeSocialSecurityRecognizer", "social insurance number"),
    "DE_TAX_ID": KnownEntity("DeTaxIdRecognizer", "tax identification number"),
    "DE_TAX_NUMBER": KnownEntity("DeTaxNumberRecognizer", "tax number"),
    "DE_VAT_ID": KnownEntity("DeVatIdRecognizer", "VAT identification number"),
    "EMAIL_ADDRESS": KnownEntity("EmailRecognizer", "e-mail address"),
    "ES_NIE": KnownEntity("EsNieRecognizer", "foreigner identity number"),
    "ES_NIF": KnownEntity("EsNifRecognizer", "tax identification number"),
    "ES_PASSPORT": KnownEntity("EsPassportRecognizer", "passport number"),
    "FI_PERSONAL_IDENTITY_CODE": KnownEntity("FiPersonalIdentityCodeRecognizer", "personal identity code"),
    "IBAN_CODE": KnownEntity("IbanRecognizer", "IBAN"),
    "IN_AADHAAR": KnownEntity("InAadhaarRecognizer", "Aadhaar number"),
    "IN_GSTIN": KnownEntity("InGstinRecognizer", "goods and services tax number"),
    "IN_PAN": KnownEntity("InPanRecognizer", "permanent account number"),
    "IN_PASSPORT": KnownEntity("InPassportRecognizer", "passport number"),
    "IN_VEHICLE_REGISTRATION": KnownEntity("InVehicleRegistrationRecognizer", "vehicle registration"),
    "IN_VOTER": KnownEntity("InVoterRecognizer", "voter number"),
    "IP_ADDRESS": KnownEntity("IpRecognizer", "IP address"),
    "IT_DRIVER_LICENSE": KnownEntity("ItDriverLicenseRecognizer", "driving licence number"),
    "IT_FISCAL_CODE": KnownEntity("ItFiscalCodeRecognizer", "fiscal code"),
    "IT_IDENTITY_CARD": KnownEntity("ItIdentityCardRecognizer", "identity card number"),
    "IT_PASSPORT": KnownEntity("ItPassportRecognizer", "passport number"),
    "IT_VAT_CODE": KnownEntity("ItVatCodeRecognizer", "VAT code"),
    "KR_BRN": KnownEntity("KrBrnRecognizer", "business registration number"),
    "KR_DRIVER_LICENSE": KnownEntity("KrDriverLicenseRecognizer", "driving licence number"),
    "KR_FRN": KnownEntity("KrFrnRecognizer", "foreigner registration number"),
    "KR_PASSPORT": KnownEntity("KrPassportRecognizer", "passport number"),
    "KR_RRN": KnownEntity("KrRrnRecognizer", "resident registration number"),
    "MAC_ADDRESS": KnownEntity("MacAddressRecognizer", "MAC address"),
    "MEDICAL_LICENSE": KnownEntity("MedicalLicenseRecognizer", "medical licence number"),
    "NG_NIN": KnownEntity("NgNinRecognizer", "national identification number"),
    "NG_VEHICLE_REGISTRATION": KnownEntity("NgVehicleRegistrationRecognizer", "vehicle registration"),
    "PHONE_NUMBER": KnownEntity("PhoneRecognizer", "phone number"),
    "PH_PASSPORT": KnownEntity("PhPassportRecognizer", "passport number"),
    "PH_TIN": KnownEntity("PhTinRecognizer", "tax identification number"),
    "PH_UMID": KnownEntity("PhUmidRecognizer", "unified multi-purpose identity number"),
    "PL_PESEL": KnownEntity("PlPeselRecognizer", "PESEL number"),
    "SE_ORGANISATIONSNUMMER": KnownEntity("SeOrganisationsnummerRecognizer", "organisation number"),
    "SE_PERSONNUMMER": KnownEntity("SePersonnummerRecognizer", "personal identity number"),
    "SG_NRIC_FIN": KnownEntity("SgFinRecognizer", "national registration number"),
    "SG_UEN": KnownEntity("SgUenRecognizer", "unique entity number"),
    "TH_TNIN": KnownEntity("ThTninRecognizer", "national identification number"),
    "TR_LICENSE_PLATE": KnownEntity("TrLicensePlateRecognizer", "licence plate"),
    "TR_NATIONAL_ID": KnownEntity("TrNationalIdRecognizer", "national identification number"),
    "UK_DRIVING_LICENCE": KnownEntity("UkDrivingLicenceRecognizer", "driving licence number"),
    "UK_NHS": KnownEntity("NhsRecognizer", "NHS number"),
    "UK_NINO": KnownEntity("UkNinoRecognizer", "national insurance number"),
    "UK_PASSPORT": KnownEntity("UkPassportRecognizer", "passport number"),
    "UK_POSTCODE": KnownEntity("UkPostcodeRecognizer", "postcode"),
    "UK_VEHICLE_REGISTRATION": KnownEntity("UkVehicleRegistrationRecognizer", "vehicle registration"),
    "URL": KnownEntity("UrlRecognizer", "web address"),
    "US_BANK_NUMBER": KnownEntity("UsBankRecognizer", "bank account number"),
    "US_CLAIM_NUMBER": KnownEntity("UsClaimNumberRecognizer", "insurance claim number"),
    "US_DRIVER_LICENSE": KnownEntity("UsLicenseRecognizer", "driver's license number"),
    "US_HEALTH_INSURANCE_MEMBER_ID": KnownEntity(
        "UsHealthInsuranceMemberIdRecognizer", "health insurance member number"
    ),
    "US_ITIN": KnownEntity("UsItinRecognizer", "individual taxpayer number"),
    "US_MBI": KnownEntity("UsMbiRecognizer", "Medicare beneficiary number"),
    "US_NPI": KnownEntity("UsNpiRecognizer", "national provider number"),
    "US_PASSPORT": KnownEntity("UsPassportRecognizer", "passport number"),
    "US_PRESCRIPTION_NUMBER": KnownEntity("UsPrescriptionNumberRecognizer", "prescription number"),
    "US_PRIOR_AUTHORIZATION_NUMBER": KnownEntity(
        "UsPriorAuthorizationNumberRecognizer", "prior authorization number"
    ),
    "US_PROVIDER_TAX_ID": KnownEntity("UsProviderTaxIdRecognizer", "provider tax number"),
    "US_REFERRAL_NUMBER": KnownEntity("UsReferralNumberRecognizer", "referral number"),
    "US_SSN": KnownEntity("UsSsnRecognizer", "social security number"),
    "UUID": KnownEntity("UuidRecognizer", "unique identifier"),
    "ZA_COMPANY_REGISTRATION": KnownEntity("ZaCompanyRegistrationRecognizer", "company registration number"),
    "ZA_DRIVER_LICENSE": KnownEntity("ZaDriverLicenseRecognizer", "driving licence number"),
    "ZA_ID_NUMBER": KnownEntity("ZaIdNumberRecognizer", "identity number"),
    "ZA_INCOME_TAX_NUMBER": KnownEntity("ZaIncomeTaxNumberRecognizer", "income tax number"),
    "ZA_LICENSE_PLATE": KnownEntity("ZaLicensePlateRecognizer", "licence plate"),
    "ZA_MOBILE_NUMBER": KnownEntity("ZaMobileNumberRecognizer", "mobile number"),
    "ZA_PASSPORT": KnownEntity("ZaPassportRecognizer", "passport number"),
    "ZA_TELEPHONE_NUMBER": KnownEntity("ZaTelephoneNumberRecognizer", "telephone number"),
    "ZA_TRAFFIC_REGISTER_NUMBER": KnownEntity("ZaTrafficRegisterNumberRecognizer", "traffic register number"),
    "ZA_VAT_NUMBER": KnownEntity("ZaVatNumberRecognizer", "VAT number"),
    # These are found by what `detectors/languages` knows, and by the policy's patterns.
    "DATE_OF_BIRTH": KnownEntity(None, "date of birth"),
    "NATIONAL_ID": KnownEntity(None, "national identity number"),
    "STREET_ADDRESS": KnownEntity(None, "street address"),
    # These come from a named entity model, where one is installed, and from the register of names.
    "LOCATION": KnownEntity(None, "location"),
    "NRP": KnownEntity(None, "nationality, religion or political group"),
    "ORGANIZATION": KnownEntity(None, "organization"),
    "PERSON": KnownEntity(None, "name"),
}


COUNTRIES = (
    "au",
    "ca",
    "de",
    "es",
    "fi",
    "in",
    "it",
    "kr",
    "ng",
    "ph",
    "pl",
    "se",
    "sg",
    "th",
    "tr",
    "uk",
    "us",
    "za",
)
"""Countries with entity types of their own, which begin with these letters."""


def entities_of(country: str) -> tuple[str, ...]:
    """Return the entity types of a country; none for one that is not in `COUNTRIES`."""
    if country not in COUNTRIES:
        return ()
    return tuple(name for name in KNOWN_ENTITIES if name.startswith(f"{country.upper()}_"))


def nearest(name: str, known: list[str]) -> str | None:
    """Return the known name most like `name`, whatever its case, or None where nothing is like it."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    matches = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None
