//! The 18 identifiers of Safe Harbor, 45 CFR 164.514(b)(2)(i), one by one: what the preset `hipaa` leaves of each.

use std::sync::{Arc, LazyLock};

use scrub::act::Actor;
use scrub::policy::Policy;
use scrub::{Engine, Scrubber, builtin};

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(builtin::detectors(), &Policy::preset("hipaa").unwrap()).unwrap()));

/// Without a key: nothing that the preset does needs one.
fn scrub(text: &str) -> String {
    let scrubbed = Scrubber::new(Arc::clone(&ENGINE), Actor::default()).whole(text.as_bytes()).unwrap();
    String::from_utf8(scrubbed.bytes).unwrap()
}

/// Nothing of `values` is left of a line, in a note and as the only field of a record.
fn goes(line: &str, values: &[&str]) {
    for text in [line.to_owned(), format!("Seen today.\n{line}\nPlan as before.\n")] {
        let scrubbed = scrub(&text);
        for value in values {
            assert!(text.contains(value), "{value} in {text}");
            assert!(!scrubbed.contains(value), "{value} stayed: {scrubbed}");
        }
    }
}

fn becomes(text: &str, expected: &str) {
    assert_eq!(scrub(text), expected);
}

#[test]
fn a_names() {
    goes(
        "Patient John Michael Smith was referred by Dr. Maria Garcia.",
        &["John", "Michael", "Smith", "Maria", "Garcia"],
    );
    goes(r#"{"patient_name": "smith, john"}"#, &["smith", "john"]);
    goes("Emergency contact: Anna Kowalska (sister)", &["Anna", "Kowalska"]);
    goes("Employer: Miller Consulting Inc.", &["Miller"]);
}

#[test]
fn b_places_smaller_than_a_state() {
    goes(
        "He lives at 12 Elm Street, Springfield, Sangamon County, IL 62704.",
        &["Elm", "Springfield", "Sangamon", "62704"],
    );
    goes("Home at 39.79901, -89.64403", &["39.79901", "89.64403"]);
}

/// Three digits of a ZIP code stay where more than 20,000 people live by every census since 2000; else they become 000.
#[test]
fn b_three_digits_of_a_zip_code() {
    becomes("ZIP code: 62704", "ZIP code: 627");
    becomes("ZIP code: 62704-1234", "ZIP code: 627");
    becomes(r#"{"zip": "62704"}"#, r#"{"zip": "627"}"#);
    for sparse in ["03601", "05901", "20252", "36901", "77201", "82190", "89310-0001"] {
        becomes(&format!("ZIP code: {sparse}"), "ZIP code: 000");
        becomes(&format!(r#"{{"zip": "{sparse}"}}"#), r#"{"zip": "000"}"#);
    }
}

#[test]
fn c_dates_but_the_year() {
    becomes("Admitted on 03/14/2021 and discharged on 2021-03-20.", "Admitted on 2021 and discharged on 2021.");
    goes("He died on 4 April 2021.", &["4 April", "April"]);
    goes("Born 1931-05-06.", &["1931", "05-06"]);
    goes("DOB: 6 May 1984", &["1984", "May"]);
}

/// 90 and over together.
#[test]
fn c_ages_over_89() {
    becomes("He is 47 years old.", "He is 40-49 years old.");
    becomes("She is 93 years old.", "She is 90+ years old.");
    becomes("She is 104 years old.", "She is 90+ years old.");
}

#[test]
fn d_telephone_and_e_fax_numbers() {
    goes("Phone: (217) 555-0123", &["217", "0123"]);
    goes("Call +1 217-555-0142 ext. 12.", &["555-0142", "12."]);
    goes("Fax: 217-555-0199", &["0199"]);
}

#[test]
fn f_electronic_mail_addresses() {
    goes("Write to john.smith@example.com.", &["john", "smith", "example"]);
}

#[test]
fn g_social_security_numbers() {
    goes("SSN: 536-22-1234", &["536", "1234"]);
    goes(r#"{"ssn": "536221234"}"#, &["536221234"]);
}

#[test]
fn h_medical_record_numbers() {
    goes("MRN: 00482913", &["00482913"]);
    goes("Patient ID: P-0093-22", &["0093"]);
}

#[test]
fn i_health_plan_beneficiary_numbers() {
    goes("Medicare beneficiary: 1EG4-TE5-MK73", &["1EG4", "MK73"]);
    goes("Member ID: XYZ123456789", &["123456789"]);
    goes("Policy number: H1234567", &["1234567"]);
}

#[test]
fn j_account_numbers() {
    goes("Account number: 000123456789", &["123456789"]);
    goes("IBAN DE89 3704 0044 0532 0130 00", &["DE89", "0532"]);
    goes("Card 4111 1111 1111 1111", &["4111", "1111"]);
}

#[test]
fn k_certificate_and_licence_numbers() {
    goes("Driver's license: D12345678 (CA)", &["D12345678"]);
    goes("DEA number: BP1234563", &["BP1234563"]);
    goes("NPI: 1234567893", &["1234567893"]);
    goes("Medical license number: A123456", &["A123456"]);
}

#[test]
fn l_vehicle_identifiers_and_plates() {
    goes("License plate: 8ABC123", &["8ABC123"]);
    goes("VIN: 1HGCM82633A004352", &["1HGCM", "004352"]);
}

#[test]
fn m_device_identifiers_and_serial_numbers() {
    goes("Serial number: SN-48X-9921-A", &["48X", "9921"]);
    goes("The pacemaker (serial no. 4821-337) was checked.", &["4821"]);
    goes(
        "UDI (01)00844588003288(17)141120(10)7654321D(21)10987654d321",
        &["00844588003288", "7654321D", "10987654d321"],
    );
    goes("Device ID: 00:1A:2B:3C:4D:5E", &["1A:2B"]);
    goes("IMEI 490154203237518", &["490154203237518"]);
}

#[test]
fn n_web_addresses_and_o_addresses_of_the_network() {
    goes("See https://example.com/patients/42 for more.", &["example.com", "patients/42"]);
    goes("From 192.0.2.44 and 2001:db8::1f", &["192.0", "2001:db8"]);
}

/// (P) biometric identifiers and (Q) photographs are not text. What is one in text is a code, or lies in an encoding.
#[test]
fn r_any_other_number_or_code() {
    goes("Passport number: 512345678", &["512345678"]);
    goes("Employee ID: E-88123", &["88123"]);
    goes(r#"{"username": "jsmith84"}"#, &["jsmith84"]);
    goes("NHS number: 943 476 5919", &["943", "5919"]);
}
