//! Validators: whether a text can be what it looks like. Pure functions of the candidate's text, with its separators.

mod americas;
mod asia;
mod elsewhere;
mod europe_east;
mod europe_north;
mod europe_west;
pub mod mrz;
mod number;
pub mod payment;
pub(crate) mod secrets;
mod us;
mod vat;

use crate::find::assignment;

/// Whether a candidate's text is valid.
pub type Validator = fn(&str) -> bool;

/// Every validator by its name in definitions.
#[rustfmt::skip]
const VALIDATORS: &[(&str, Validator)] = &[
    ("card", payment::card),
    ("security_code", payment::security_code),
    ("expiry", payment::expiry),
    ("iban", payment::iban),
    ("bic", payment::bic),
    ("aba_routing", payment::aba_routing),
    ("imei", payment::imei),
    ("us_ssn", us::ssn),
    ("us_itin", us::itin),
    ("us_taxpayer", us::taxpayer),
    ("us_ein", us::ein),
    ("us_npi", us::npi),
    ("us_dea", us::dea),
    ("us_mbi", us::mbi),
    ("gb_nhs", europe_west::gb_nhs),
    ("gb_nino", europe_west::gb_nino),
    ("gb_utr", europe_west::gb_utr),
    ("gb_driving_licence", europe_west::gb_driving_licence),
    ("ie_pps", europe_west::ie_pps),
    ("de_tax_id", europe_west::de_tax_id),
    ("de_social_security", europe_west::de_social_security),
    ("de_health_insurance", europe_west::de_health_insurance),
    ("de_document", europe_west::de_document),
    ("fr_nir", europe_west::fr_nir),
    ("fr_tax_id", europe_west::fr_tax_id),
    ("es_nif", europe_west::es_nif),
    ("es_nie", europe_west::es_nie),
    ("es_social_security", europe_west::es_social_security),
    ("it_fiscal_code", europe_west::it_fiscal_code),
    ("it_vat", europe_west::it_vat),
    ("pt_nif", europe_west::pt_nif),
    ("pt_citizen_card", europe_west::pt_citizen_card),
    ("pt_social_security", europe_west::pt_social_security),
    ("nl_bsn", europe_west::nl_bsn),
    ("be_national_number", europe_west::be_national_number),
    ("lu_national_number", europe_west::lu_national_number),
    ("ch_ahv", europe_west::ch_ahv),
    ("at_social_security", europe_west::at_social_security),
    ("se_personal_number", europe_north::se_personal_number),
    ("se_organisation_number", europe_north::se_organisation_number),
    ("no_national_number", europe_north::no_national_number),
    ("fi_personal_code", europe_north::fi_personal_code),
    ("dk_cpr", europe_north::dk_cpr),
    ("is_kennitala", europe_north::is_kennitala),
    ("baltic_personal_code", europe_north::baltic_personal_code),
    ("lv_personal_code", europe_north::lv_personal_code),
    ("no_organisation_number", europe_north::no_organisation_number),
    ("pl_pesel", europe_east::pl_pesel),
    ("pl_nip", europe_east::pl_nip),
    ("pl_regon", europe_east::pl_regon),
    ("pl_document", europe_east::pl_document),
    ("cz_birth_number", europe_east::cz_birth_number),
    ("ro_cnp", europe_east::ro_cnp),
    ("bg_egn", europe_east::bg_egn),
    ("bg_pnf", europe_east::bg_pnf),
    ("gr_amka", europe_east::gr_amka),
    ("gr_afm", europe_east::gr_afm),
    ("hu_personal_number", europe_east::hu_personal_number),
    ("hu_taj", europe_east::hu_taj),
    ("hu_tax_id", europe_east::hu_tax_id),
    ("hr_oib", europe_east::hr_oib),
    ("jmbg", europe_east::jmbg),
    ("si_tax_id", europe_east::si_tax_id),
    ("tr_tckn", europe_east::tr_tckn),
    ("tr_vkn", europe_east::tr_vkn),
    ("ru_inn", europe_east::ru_inn),
    ("ru_snils", europe_east::ru_snils),
    ("ua_rnokpp", europe_east::ua_rnokpp),
    ("begins_with_day", europe_east::begins_with_day),
    ("in_aadhaar", asia::in_aadhaar),
    ("in_pan", asia::in_pan),
    ("in_gstin", asia::in_gstin),
    ("in_vehicle", asia::in_vehicle),
    ("cn_resident_id", asia::cn_resident_id),
    ("tw_id", asia::tw_id),
    ("hk_id", asia::hk_id),
    ("jp_my_number", asia::jp_my_number),
    ("kr_rrn", asia::kr_rrn),
    ("kr_brn", asia::kr_brn),
    ("kr_driver_license", asia::kr_driver_license),
    ("sg_nric", asia::sg_nric),
    ("my_nric", asia::my_nric),
    ("th_id", asia::th_id),
    ("id_nik", asia::id_nik),
    ("il_id", asia::il_id),
    ("vn_id", asia::vn_id),
    ("ae_id", asia::ae_id),
    ("sa_id", asia::sa_id),
    ("pk_cnic", asia::pk_cnic),
    ("kz_iin", asia::kz_iin),
    ("ca_sin", americas::ca_sin),
    ("br_cpf", americas::br_cpf),
    ("br_cnpj", americas::br_cnpj),
    ("br_pis", americas::br_pis),
    ("br_cns", americas::br_cns),
    ("br_voter", americas::br_voter),
    ("ar_cuit", americas::ar_cuit),
    ("cl_rut", americas::cl_rut),
    ("co_nit", americas::co_nit),
    ("pe_ruc", americas::pe_ruc),
    ("ec_cedula", americas::ec_cedula),
    ("uy_cedula", americas::uy_cedula),
    ("do_cedula", americas::do_cedula),
    ("mx_curp", americas::mx_curp),
    ("mx_rfc", americas::mx_rfc),
    ("mx_nss", americas::mx_nss),
    ("cu_ni", americas::cu_ni),
    ("za_id", elsewhere::za_id),
    ("eg_id", elsewhere::eg_id),
    ("au_tfn", elsewhere::au_tfn),
    ("au_abn", elsewhere::au_abn),
    ("au_acn", elsewhere::au_acn),
    ("au_medicare", elsewhere::au_medicare),
    ("nz_ird", elsewhere::nz_ird),
    ("nz_nhi", elsewhere::nz_nhi),
    ("vin", elsewhere::vin),
    ("vin_elsewhere", elsewhere::vin_elsewhere),
    ("some_number", elsewhere::some_number),
    ("identifier", elsewhere::identifier),
    ("eu_vat", vat::eu_vat),
    ("mrz", mrz::mrz),
    ("varied", secrets::varied),
    ("mixed_case", secrets::mixed_case),
    ("crc32", secrets::crc32_checked),
    ("bech32", secrets::bech32_checked),
    ("jwt", secrets::jwt),
    ("password", assignment::looks_like_password),
    ("basic", secrets::basic),
];

/// The validator of a name.
pub fn by_name(name: &str) -> Option<Validator> {
    VALIDATORS.iter().find(|(known, _)| *known == name).map(|(_, validator)| *validator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    /// Every one of `valid` passes and none of `invalid`.
    pub(super) fn check(validator: Validator, valid: &[&str], invalid: &[&str]) {
        let missed: Vec<_> = valid.iter().filter(|text| !validator(text)).collect();
        let taken: Vec<_> = invalid.iter().filter(|text| validator(text)).collect();
        assert!(missed.is_empty() && taken.is_empty(), "missed {missed:?}, taken {taken:?}");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_validator_panic(text in "\\PC{0,40}|[A-Z0-9<]{0,50}|[0-9 .-]{0,30}|[A-Za-z0-9\n]{28,46}") {
            for (name, validator) in VALIDATORS {
                validator(&text);
                prop_assert!(by_name(name).is_some());
            }
        }
    }
}
