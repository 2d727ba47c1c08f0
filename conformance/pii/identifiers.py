"""Numbers of persons, companies and accounts that python-stdnum checks: drawn at random until it accepts them."""

from __future__ import annotations

from importlib import import_module

from kinds import Draw, Kind

ID_EN = ("national ID number", "ID number", "identity card number")
TAX_EN = ("tax ID", "taxpayer identification number", "tax number")


def number(kind: str, module: str, make, forms: str, *labels: str, bar: str = "validated") -> Kind:
    """`make`: a pattern of `Draw.fill`, or a function."""
    accepts = import_module(f"stdnum.{module}").is_valid
    body = make if callable(make) else lambda draw: draw.fill(make)
    return Kind(
        kind, kind, f"python-stdnum {module}", bar, lambda draw: draw.until(accepts, body), labels, accepts, tuple(forms.split("|"))
    )


def emso(draw: Draw) -> str:
    return draw.date("%d%m") + draw.date("%Y")[1:] + draw.pick("50", "10", "71", "79") + draw.fill("9999")


def egn(draw: Draw) -> str:
    day = draw.day(1930, 2015)
    return f"{day:%y}{day.month + (40 if day.year >= 2000 else 0):02}{day:%d}" + draw.fill("9999")


def birth_number(draw: Draw) -> str:
    day = draw.day(1955, 2010)
    return f"{day:%y}{day.month + draw.pick(0, 50):02}{day:%d}" + draw.fill("9999")


def pesel(draw: Draw) -> str:
    day = draw.day(1930, 2015)
    return f"{day:%y}{day.month + (20 if day.year >= 2000 else 0):02}{day:%d}" + draw.fill("99999")


def cnp(draw: Draw) -> str:
    day = draw.day(1930, 2015)
    return draw.pick("5", "6") * (day.year >= 2000) + draw.pick("1", "2") * (day.year < 2000) + f"{day:%y%m%d}" + draw.number(1, 46, 2) + draw.fill("9999")


def baltic(draw: Draw) -> str:
    day = draw.day(1930, 2015)
    return draw.pick("5", "6") * (day.year >= 2000) + draw.pick("3", "4") * (day.year < 2000) + f"{day:%y%m%d}" + draw.fill("9999")


def hetu(draw: Draw) -> str:
    day = draw.day(1930, 2015)
    return f"{day:%d%m%y}" + ("A" if day.year >= 2000 else "-") + draw.number(2, 899, 3) + draw.pick(*"0123456789ABCDEFHJKLMNPRSTUVWXY")


def fiscal_code(draw: Draw) -> str:
    consonants = "BCDFGLMNPRSTVZ"
    name = "".join(draw.pick(*consonants) for _ in range(6))
    return name + draw.date("%y") + draw.pick(*"ABCDEHLMPRST") + draw.number(1, 28, 2) + draw.pick("H501", "F205", "L219", "F839", "A662",
        "D612") + draw.fill("A")


def curp(draw: Draw) -> str:
    day = draw.day(1935, 1999)
    head = draw.pick(*"BCDFGHJKLM") + draw.pick(*"AEIOU") + draw.fill("AA")
    state = draw.pick("DF", "JC", "NL", "MC", "VZ", "PL", "GT", "OC")
    return head + f"{day:%y%m%d}" + draw.pick(*"HM") + state + "".join(draw.pick(*"BCDFGHJKLMNPQRSTVWXYZ") for _ in range(3)) + "0" + draw.fill("9")


def rfc(draw: Draw) -> str:
    return draw.pick(*"BCDFGHJKLM") + draw.pick(*"AEIOU") + draw.fill("AA") + draw.date("%y%m%d") + draw.fill("XX") + draw.pick(*"0123456789A")


def nir(draw: Draw) -> str:
    month, department = draw.number(1, 12, 2), draw.pick("75", "13", "69", "33", "59", "2A", "2B", "97")
    return draw.pick("1", "2") + draw.date("%y") + month + department + draw.number(1, 399, 3) + draw.fill("99999")


def resident(draw: Draw) -> str:
    area = draw.pick("110105", "310104", "440305", "510107", "330106", "420106", "320102", "370202")
    return area + draw.date("%Y%m%d", 1940, 2012) + draw.fill("999") + draw.pick(*"0123456789X")


def nik(draw: Draw) -> str:
    day = draw.day(1950, 2005)
    area = draw.pick("317101", "327301", "357801", "337401", "120701", "510301", "647201", "737101")
    return area + f"{day.day + draw.pick(0, 40):02}{day:%m%y}" + draw.number(1, 300, 4)


def vat(draw: Draw) -> str:
    return draw.fill(draw.pick(
        "ATU99999999", "BE0999999999", "BG999999999", "CZ99999999", "DE999999999", "DK99999999", "EE999999999", "EL999999999", "ESB99999999",
        "FI99999999", "FR99999999999", "HR99999999999", "HU99999999", "IE9999999A", "IT99999999999", "LT999999999", "LU99999999",
        "LV49999999999", "MT99999999", "NL999999999B01", "PL9999999999", "PT599999999", "RO99999999", "SE999999999901", "SI99999999", "SK9999999999",
    ))  # fmt: skip


NUMBERS = [
    number("US_SSN", "us.ssn", "999999999", "###-##-####|#########|### ## ####", "SSN", "social security number", "Social Security No."),
    number("US_ITIN", "us.itin", "999999999", "###-##-####|#########", "ITIN", "individual taxpayer identification number"),
    number("US_EIN", "us.ein", "999999999", "##-#######|#########", "EIN", "employer identification number", "federal tax ID", bar="other"),
    number("ABA_ROUTING_NUMBER", "us.rtn", "999999999", "#########", "routing number", "ABA number", "RTN"),
    number("UK_NHS", "gb.nhs", "9999999999", "### ### ####|###-###-####|##########", "NHS number", "NHS no."),
    number("UK_UTR", "gb.utr", "9999999999", "##########|##### #####", "UTR", "unique taxpayer reference"),
    number("IE_PPS", "ie.pps", lambda d: d.fill("9999999A") + d.pick("", "A", "W"), "#######A|########|#########", "PPS number", "PPSN"),
    number("DE_TAX_ID", "de.idnr", "99999999999", "## ### ### ###|###########", "Steuer-ID", "Steueridentifikationsnummer", "IdNr"),
    number("DE_TAX_NUMBER", "de.stnr", "99999999999", "##/###/#####|###/####/####|###########", "Steuernummer", "St.-Nr.", "tax number", bar="other"),
    number("FR_NIR", "fr.nir", nir, "# ## ## ## ### ### ##|###############", "numéro de sécurité sociale", "NIR", "social security number"),
    number("FR_TAX_ID", "fr.nif", lambda d: d.pick(*"0123") + d.fill("999999999999"), "## ## ### ### ###|#############", "numéro fiscal", "SPI", "tax ID"),
    number("ES_NIF", "es.dni", "99999999A", "########-#|#########|##.###.###-#", "DNI", "NIF", "documento nacional de identidad"),
    number("ES_NIE", "es.nie", lambda d: d.pick(*"XYZ") + d.fill("9999999A"), "#########|#-#######-#", "NIE", "número de identidad de extranjero"),
    number("IT_FISCAL_CODE", "it.codicefiscale", fiscal_code, "################", "codice fiscale", "C.F.", "tax code"),
    number("IT_VAT_CODE", "it.iva", lambda d: d.fill("0") + d.fill("9999999999"), "###########", "partita IVA", "P.IVA"),
    number("PT_NIF", "pt.nif", lambda d: d.pick(*"12") + d.fill("99999999"), "### ### ###|#########", "NIF", "número de contribuinte"),
    number("PT_CITIZEN_CARD", "pt.cc", "999999999AA9", "######## # ###|############", "cartão de cidadão", "número do cartão de cidadão",
        "citizen card number"),
    number("NL_BSN", "nl.bsn", "999999999", "#########|####.##.###|### ### ###", "BSN", "burgerservicenummer", "citizen service number"),
    number("BE_NATIONAL_NUMBER", "be.nn", lambda d: d.date("%y%m%d") + d.fill("99999"), "##.##.##-###.##|###########", "rijksregisternummer",
        "numéro national", "INSZ"),
    number("CH_AHV", "ch.ssn", "7569999999999", "###.####.####.##|#############", "AHV-Nr.", "AHV-Nummer", "numéro AVS"),
    number("AT_SVNR", "at.vnr", lambda d: d.fill("9999") + d.date("%d%m%y"), "#### ######|##########", "SVNR", "Sozialversicherungsnummer", "SV-Nummer"),
    number("PL_PESEL", "pl.pesel", pesel, "###########", "PESEL", "numer PESEL"),
    number("PL_NIP", "pl.nip", "9999999999", "###-###-##-##|###-##-##-###|##########", "NIP", "numer NIP", "numer identyfikacji podatkowej"),
    number("PL_REGON", "pl.regon", "999999999", "#########", "REGON", "numer REGON"),
    number("CZ_BIRTH_NUMBER", "cz.rc", birth_number, "######/####|##########", "rodné číslo", "RČ", "birth number"),
    number("SK_BIRTH_NUMBER", "sk.rc", birth_number, "######/####|##########", "rodné číslo", "RČ"),
    number("RO_CNP", "ro.cnp", cnp, "#############", "CNP", "cod numeric personal"),
    number("BG_EGN", "bg.egn", egn, "##########", "ЕГН", "EGN", "единен граждански номер"),
    number("BG_PNF", "bg.pnf", "9999999999", "##########", "ЛНЧ", "личен номер на чужденец", "personal number of a foreigner"),
    number("GR_AMKA", "gr.amka", lambda d: d.date("%d%m%y") + d.fill("99999"), "###########|###### #####", "ΑΜΚΑ", "AMKA", "social security number"),
    number("GR_AFM", "gr.vat", "999999999", "#########", "ΑΦΜ", "AFM", "tax ID"),
    number("HR_OIB", "hr.oib", "99999999999", "###########", "OIB", "osobni identifikacijski broj"),
    number("SI_EMSO", "si.emso", emso, "#############", "EMŠO", "matična številka"),
    number("SI_TAX_ID", "si.ddv", "99999999", "########|SI########", "davčna številka", "ID za DDV"),
    number("RS_JMBG", "si.emso", emso, "#############", "JMBG", "ЈМБГ", "matični broj"),
    number("SE_PERSONNUMMER", "se.personnummer", lambda d: d.date(d.pick("%y%m%d", "%Y%m%d")) + d.fill("9999"),
        "######-####|########-####|##########|############", "personnummer", "personnr"),
    number("SE_ORGANISATIONSNUMMER", "se.orgnr", lambda d: d.pick("55", "21", "76", "96") + d.fill("99999999"), "######-####|##########",
        "organisationsnummer", "org.nr"),
    number("NO_FODSELSNUMMER", "no.fodselsnummer", lambda d: d.date("%d%m%y", 1940, 1999) + d.fill("99999"), "###########|###### #####",
        "fødselsnummer", "personnummer", "fnr"),
    number("FI_PERSONAL_IDENTITY_CODE", "fi.hetu", hetu, "###########", "henkilötunnus", "HETU", "personbeteckning"),
    number("DK_CPR", "dk.cpr", lambda d: d.date("%d%m%y") + d.fill("9999"), "######-####|##########", "CPR-nummer", "CPR nr.", "personnummer"),
    number("IS_KENNITALA", "is_.kennitala", lambda d: d.date("%d%m%y") + d.fill("9999"), "######-####|##########", "kennitala", "kt."),
    number("EE_ISIKUKOOD", "ee.ik", baltic, "###########", "isikukood", "personal code"),
    number("LT_ASMENS_KODAS", "lt.asmens", baltic, "###########", "asmens kodas", "personal code"),
    number("LV_PERSONAS_KODS", "lv.pvn", lambda d: d.date("%d%m%y") + d.pick(*"12") + d.fill("9999"), "######-#####|###########", "personas kods",
        "personal code"),
    number("TR_NATIONAL_ID", "tr.tckimlik", "99999999999", "###########", "T.C. kimlik no", "TCKN", "kimlik numarası"),
    number("TR_TAX_NUMBER", "tr.vkn", "9999999999", "##########", "vergi kimlik numarası", "VKN", "vergi no"),
    number("RU_INN", "ru.inn", "999999999999", "############", "ИНН", "INN"),
    number("UA_RNOKPP", "ua.rntrc", "9999999999", "##########", "РНОКПП", "ІПН", "ідентифікаційний код"),
    number("EU_VAT_NUMBER", "eu.vat", vat, "", "VAT number", "VAT ID", "USt-IdNr.", "numéro de TVA"),
    number("IN_AADHAAR", "in_.aadhaar", "999999999999", "#### #### ####|####-####-####|############", "Aadhaar", "Aadhaar number", "UIDAI number"),
    number("IN_PAN", "in_.pan", lambda d: d.fill("AAA") + d.pick(*"PCHFAT") + d.fill("A9999A"), "##########", "PAN", "PAN card", "permanent account number"),
    number("IN_GSTIN", "in_.gstin", lambda d: d.pick("27", "29", "07", "33",
        "24") + d.fill("AAA") + d.pick(*"PCHF") + d.fill("A9999A") + "1Z" + d.fill("X"), "###############", "GSTIN", "GST number"),
    number("IN_VOTER", "in_.epic", "AAA9999999", "##########", "voter ID", "EPIC number", bar="other"),
    number("CN_RESIDENT_ID", "cn.ric", resident, "##################|###### ######## ####", "身份证号", "居民身份证", "resident ID"),
    number("JP_MY_NUMBER", "jp.in_", "999999999999", "############|#### #### ####|####-####-####", "マイナンバー", "個人番号", "My Number"),
    number("KR_RRN", "kr.rrn", lambda d: d.date("%y%m%d") + d.pick(*"12") + d.fill("999999"), "######-#######|#############", "주민등록번호",
        "resident registration number", "RRN"),
    number("KR_BRN", "kr.brn", "9999999999", "###-##-#####|##########", "사업자등록번호", "business registration number"),
    number("SG_UEN", "sg.uen", "999999999A", "##########", "UEN", "unique entity number", bar="other"),
    number("MY_NRIC", "my.nric", lambda d: d.date("%y%m%d") + d.number(1, 16, 2) + d.fill("9999"), "######-##-####|############", "MyKad", "NRIC", "No. KP"),
    number("TH_TNIN", "th.pin", "9999999999999", "#-####-#####-##-#|#############", "เลขประจำตัวประชาชน", "บัตรประชาชน", "Thai ID"),
    number("ID_NIK", "id.nik", nik, "################", "NIK", "No. KTP", "nomor induk kependudukan"),
    number("PK_CNIC", "pk.cnic", lambda d: d.pick(*"1234567") + d.fill("999999999999"), "#####-#######-#|#############", "CNIC", "شناختی کارڈ", bar="other"),
    number("IL_ID", "il.idnr", "999999999", "#########|########-#", "תעודת זהות", "ת.ז.", "teudat zehut"),
    number("ZA_ID_NUMBER", "za.idnr", lambda d: d.date("%y%m%d") + d.fill("9999") + d.pick("08", "18") + d.fill("9"), "#############|###### #### ###",
        "South African ID number", "SA ID", "ID number"),
    number("AU_TFN", "au.tfn", "999999999", "### ### ###|#########", "TFN", "tax file number"),
    number("AU_ABN", "au.abn", "99999999999", "## ### ### ###|###########", "ABN", "Australian business number"),
    number("AU_ACN", "au.acn", "999999999", "### ### ###|#########", "ACN", "Australian company number"),
    number("NZ_IRD", "nz.ird", lambda d: d.pick("", "1") + d.fill("99999999"), "##-###-###|###-###-###|########|#########", "IRD number", "IRD"),
    number("BR_CPF", "br.cpf", "99999999999", "###.###.###-##|###########", "CPF", "CPF/MF"),
    number("BR_CNPJ", "br.cnpj", lambda d: d.fill("99999999") + "0001" + d.fill("99"), "##.###.###/####-##|##############", "CNPJ"),
    number("AR_CUIT", "ar.cuit", lambda d: d.pick("20", "23", "27", "30", "33") + d.fill("999999999"), "##-########-#|###########", "CUIT", "CUIL"),
    number("AR_DNI", "ar.dni", lambda d: d.pick(*"1234") + d.fill("9999999"), "##.###.###|########", "DNI", "documento nacional de identidad", bar="other"),
    number("CL_RUT", "cl.rut", lambda d: d.pick("", "1", "2") + d.fill("9999999") + d.pick(*"0123456789K"),
        "##.###.###-#|#.###.###-#|########-#|#######-#", "RUT", "RUN", "cédula de identidad"),
    number("CO_NIT", "co.nit", lambda d: d.pick(*"89") + d.fill("999999999"), "###.###.###-#|#########-#|##########", "NIT",
        "número de identificación tributaria"),
    number("PE_RUC", "pe.ruc", lambda d: d.pick("10", "20", "15") + d.fill("999999999"), "###########", "RUC", "registro único de contribuyentes"),
    number("EC_CEDULA", "ec.ci", lambda d: d.number(1, 24, 2) + d.fill("99999999"), "##########|#########-#", "cédula", "cédula de identidad", "C.I."),
    number("DO_CEDULA", "do.cedula", "99999999999", "###-#######-#|###########", "cédula", "cédula de identidad y electoral"),
    number("MX_CURP", "mx.curp", curp, "##################", "CURP", "clave única de registro de población"),
    number("MX_RFC", "mx.rfc", rfc, "#############|####-######-###", "RFC", "registro federal de contribuyentes"),
    number("CA_SIN", "ca.sin", lambda d: d.pick(*"1234567") + d.fill("99999999"), "###-###-###|### ### ###|#########", "SIN",
        "social insurance number", "NAS"),
    number("CU_NI", "cu.ni", lambda d: d.date("%y%m%d") + d.fill("99999"), "###########", "carné de identidad", "número de identidad", bar="other"),
    number("IMEI", "imei", "999999999999999", "###############|##-######-######-#", "IMEI", "IMEI number", "device IMEI"),
    number("IMSI", "imsi", lambda d: d.pick("310150", "262011", "208011", "23410", "440100") + d.fill("999999999"), "###############", "IMSI", bar="other"),
]  # fmt: skip
