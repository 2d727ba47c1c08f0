use proptest::prelude::{prop_assert, proptest};

use super::super::scan::tests::{found, sure};

/// No letter stands before the number, and what follows it directly is no number.
#[test]
fn numbers_of_houses_go_on_with_letters() {
    for (text, address) in [
        ("(12/A Park Street)", "12/A Park Street"),
        ("\"12-B Baker Street\"", "12-B Baker Street"),
        ("1,12/A Park Street", "12/A Park Street"),
        ("(Calle A2 15)", "Calle A2 15"),
    ] {
        let found: Vec<_> = found("address", text).into_iter().map(|(text, _)| text).collect();
        assert!(found.contains(&address), "{text}: {found:?}");
    }
}

/// The whole text is one address.
#[test]
fn addresses_are_found_whole() {
    let mut wrong = Vec::new();
    for text in [
        "123 Main Street",
        "1600 Pennsylvania Ave NW, Washington, DC 20500",
        "742 Evergreen Terrace\nSpringfield, OR 97477",
        "350 5th Ave, New York, NY 10118",
        "123 N. Main St. Apt. 4B\nSpringfield, IL 62704-1234",
        "4747 Lake Shore Dr #1205, Chicago, IL 60615",
        "12345 Smith Valley Suite 120\nNorth John, CA 90210",
        "5678 County Road 45, Mankato, MN 56001",
        "1 Avenue of the Americas",
        "P.O. Box 1234, Anchorage, AK 99501",
        "PO Box 77",
        "RR 2 Box 152\nAmes, IA 50010",
        "PSC 1234, Box 56\nAPO AE 09012",
        "Unit 2050 Box 4190\nAPO AP 96278",
        "Flat 3, 12 High Street, Bristol, BS1 4DJ",
        "221B Baker Street, London NW1 6XE",
        "10 Downing Street\nLondon\nSW1A 2AA",
        "Unit 5/12 Smith Street, Fitzroy VIC 3065",
        "111 Wellington St, Ottawa, ON K1A 0A9",
        "Hauptstraße 12\n10115 Berlin",
        "Hauptstr. 5a, 80331 München",
        "Ludwig-Erhard-Straße 18, D-20459 Hamburg",
        "Berliner Allee 5, 40212 Düsseldorf",
        "Am Markt 5, 18055 Rostock",
        "Bahnhofstrasse 1, CH-8001 Zürich",
        "Postfach 12 34 56, 70001 Stuttgart",
        "12 bis, rue de la Paix, 75002 Paris",
        "12 rue du 8 Mai 1945\n69003 Lyon",
        "3 avenue Jean-Jaurès, 31000 Toulouse",
        "Calle Mayor 5, 3º B, 28013 Madrid",
        "Avda. de la Constitución, 12\n41001 Sevilla",
        "C/ Alcalá, 45, 28014 Madrid",
        "Carrera 7 # 32-16",
        "Via Roma 12, 20121 Milano (MI)",
        "Piazza del Duomo, 1, 50122 Firenze",
        "Rua Augusta, 1508, 01304-001 São Paulo - SP",
        "Av. da Liberdade, 110, 1269-046 Lisboa",
        "Keizersgracht 123\n1015 CJ Amsterdam",
        "ul. Marszałkowska 10/5, 00-590 Warszawa",
        "Václavské náměstí 1, 110 00 Praha 1",
        "Storgata 5, 0155 Oslo",
        "Drottninggatan 12 A, 111 51 Stockholm",
        "Vesterbrogade 3, 1620 København V",
        "Mannerheimintie 10, 00100 Helsinki",
        "Petőfi utca 12., 1052 Budapest",
        "Atatürk Cad. No: 5, 34000 İstanbul",
        "ул. Ленина, д. 5, кв. 12",
        "Jl. Sudirman No. 12, Jakarta 10220",
        "北京市朝阳区建国路88号",
        "東京都千代田区丸の内1-1-1",
        "서울특별시 강남구 테헤란로 152",
        "the corner of Main Street and 5th Avenue",
        "462 Stubengraben 80 Apt. 608",
        "17151 2450 Crown St",
    ] {
        for whole in [text.to_owned(), format!("She lives at {text}.")] {
            let found = sure("address", &whole);
            let bare = text.trim_end_matches('.');
            if found != [bare] {
                wrong.push(format!("{whole:?}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_looks_like_one_is_left() {
    for text in [
        "It took 5 minutes to get 3 results",
        "a 4 lane road, 2 way street",
        "2 Supreme Court decisions",
        "Chapter 5 Garden Path",
        "In March 5, 2020 Results were good",
        "Windows 10, 2015 Edition",
        "GET /a HTTP/1.1 200 512",
        "let x = 12; // Main Street",
        "retry 3 of 5",
        "via port 80",
        "via 3 steps",
        "substr 5",
        "Brigade 101",
        "int unit = 5;",
        "Top 10 Mountain Trails",
        "page 12 The Road",
        "the corner of the page and the margin",
        "version 3 Build 12",
        "CPU 0 Core 3",
        "ISO 8601, RFC 3339",
        "the box 5",
        "5 Point scale",
        "Service 5, Version 3389 Build 4",
        "DEBUG Node 8 Block 46 Segment 9513 flushed",
        "baggage # 10, RPO # 25",
        "Total 5475 52.40 99\nBlue Widget 5166 63.05 49",
    ] {
        assert!(sure("address", text).is_empty(), "{text}: {:?}", found("address", text));
    }
}

#[test]
fn small_letters_are_weak() {
    assert_eq!(found("address", "at 12 main street then"), [("12 main street", 0.4)]);
    assert_eq!(sure("address", "12 main street, springfield, IL 62704"), Vec::<&str>::new());
}

proptest! {
    /// What is found starts and ends with a letter or a digit.
    #[test]
    fn findings_are_tight(text in "(12|5a|Main|Street|rue de|la|Hauptstraße|Calle|Apt|#|corner of|and|IL|10115|,|\n|\\.| ){0,24}") {
        for (address, _) in found("address", &text) {
            prop_assert!(address.ends_with(|end: char| end.is_alphanumeric() || end == ')'), "{address:?}");
            prop_assert!(address.starts_with(char::is_alphanumeric), "{address:?}");
        }
    }
}
