//! Secrets by the name that they are given: `password = "…"`, `"api_key": "…"`, `export TOKEN=…`, `--password …`, `<secret>…</secret>`,
//! `Authorization: Bearer …`, `my password is …`. What is found is the value.
//!
//! A name is known by its last words ([`key`]); what stands behind it decides how a value is read ([`value`]), and what kind of name it is how
//! much a value must look like a secret.

pub(super) mod judge;
mod key;
mod value;

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::matcher::{self, Hit, Literal, Literals};
use super::{Candidate, Finder, Text};
use key::{Class, Key};
use value::Value;

pub(crate) use judge::looks_like_password;

/// The name by which detectors ask for it; which class of names one stands for is told by the detector's own name.
pub const CODE: &str = "assignment";

/// Finds values of names.
pub struct Assignments {
    roots: Box<dyn Literals>,
    /// By class: password, secret, token, authorization.
    owners: [Option<(DetectorId, f32)>; 4],
}

/// The names of the detectors of the classes.
const NAMES: [(&str, Class); 4] = [
    ("password_assignment", Class::Password),
    ("secret_assignment", Class::Secret),
    ("token_assignment", Class::Token),
    ("authorization", Class::Authorization),
];

impl Assignments {
    /// For detectors that are named as this finder names classes.
    pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
        let mut owners = [None; 4];
        for (id, detector) in detectors {
            let Some((_, class)) = NAMES.iter().find(|(name, _)| *name == detector.name) else {
                let names = NAMES.map(|(name, _)| name).join(", ");
                return Err(format!("{}: the code {CODE:?} serves {names}", detector.name));
            };
            owners[*class as usize] = Some((*id, detector.score));
        }
        let roots: Vec<_> = key::roots().into_iter().map(|text| Literal { text, fold: true }).collect();
        Ok(Box::new(Self { roots: matcher::new(&roots)?, owners }))
    }
}

impl Finder for Assignments {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let mut hits: Vec<Hit> = Vec::new();
        // The name of a value that starts in the core may stand before it.
        let starts = core.start.saturating_sub(key::LONGEST + value::FURTHEST)..core.end;
        self.roots.hits(text.as_bytes(), starts, &mut hits);
        hits.sort_unstable_by_key(|hit| hit.start);
        let (mut name_end, mut value_end) = (0, 0);
        let mut runs = value::Runs::default();
        for hit in hits {
            let at = hit.start as usize;
            // Names in a value that was taken, and roots in a name that was looked at, say nothing more.
            if at < name_end || at < value_end {
                continue;
            }
            let Some(key) = Key::at(text, at) else { continue };
            name_end = key.range.end;
            let Some(class) = key.class(text) else { continue };
            let Some((detector, score)) = self.owners[class as usize] else { continue };
            let Some(Value { range, .. }) = value::of(text, &key, class, &mut runs) else { continue };
            value_end = range.end;
            found.push(Candidate { start: range.start, end: range.end, detector, score, evident: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::{prop_assert, proptest};

    use super::*;
    use crate::template::fill;

    fn finder() -> Assignments {
        let roots: Vec<_> = key::roots().into_iter().map(|text| Literal { text, fold: true }).collect();
        let owners = std::array::from_fn(|index| Some((DetectorId(index as u16), 0.8)));
        Assignments { roots: matcher::new(&roots).unwrap(), owners }
    }

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        finder().find(&Text::new(text), 0..text.len(), &mut found);
        found.iter().map(|candidate| text[candidate.start..candidate.end].to_owned()).collect()
    }

    #[test]
    fn passwords_are_found() {
        for (text, password) in [
            ("password = \"hunter2\"", "hunter2"),
            ("{\"username\": \"bob\", \"password\": \"letmein\"}", "letmein"),
            ("DB_PASSWORD=tiger", "tiger"),
            ("export PGPASSWORD='a b9!c'", "a b9!c"),
            ("  password: s3cr3t-x", "s3cr3t-x"),
            ("mysql -u root --password hunter22 db", "hunter22"),
            ("mysql --password=hunter22 db", "hunter22"),
            ("my password is hunter2, keep it", "hunter2"),
            ("The password for the admin account is Tr0ub4dor&3.", "Tr0ub4dor&3"),
            ("Password: Summer2024!", "Summer2024!"),
            ("pwd=abc123;Server=x", "abc123"),
            ("Server=x;User Id=sa;Password=P@ssw0rd1;Encrypt=yes", "P@ssw0rd1"),
            ("<password>hunter2</password>", "hunter2"),
            ("const string Password = @\"hunter2\";", "hunter2"),
            ("let password: &str = \"hunter2\";", "hunter2"),
            ("config['db_password'] = 'hunter2'", "hunter2"),
            ("builder.setPassword(\"hunter22\")", "hunter22"),
            ("?user=bob&password=hunter2&x=1", "hunter2"),
            ("machine x login bob password hunter22", "hunter22"),
            ("Passwort: geheim123", "geheim123"),
            ("mi contrase\u{f1}a es perro1234", "perro1234"),
            ("\u{5bc6}\u{7801}\u{ff1a}abc12345", "abc12345"),
            ("passphrase: \"correct horse battery staple\"", "correct horse battery staple"),
            ("password: 12345678", "12345678"),
            ("the user bob with password 'Portal Access2!' signed in", "Portal Access2!"),
            ("with password \"ServerPass_2024!\".", "ServerPass_2024!"),
            ("its password 'PortalAccess#' allows", "PortalAccess#"),
        ] {
            assert_eq!(found(text), [password], "{text}");
        }
    }

    #[test]
    fn secrets_are_found() {
        for (template, secret) in [
            ("api_key = \"{hex:32}\"", "{hex:32}"),
            ("API key: {hex:32}", "{hex:32}"),
            ("\"client_secret\": \"{base64url:40}\"", "{base64url:40}"),
            ("SECRET_KEY={base62:50}", "{base62:50}"),
            ("accessToken: '{base62:32}',", "{base62:32}"),
            ("Authorization: Bearer {base62:40}", "{base62:40}"),
            ("-H 'Authorization: Basic {b64:bob:hunter2}'", "{b64:bob:hunter2}"),
            ("headers = {\"Authorization\": \"Bearer {base62:40}\"}", "{base62:40}"),
            ("X-Api-Key: {hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}", "{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}"),
            ("AccountName=x;AccountKey={base64:86}==;EndpointSuffix=y", "{base64:86}=="),
        ] {
            // What stands in the template is filled as it is in the whole.
            let text = fill(template);
            let secret = fill(secret).len();
            let found = found(&text);
            assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [secret], "{text}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        for text in [
            "password = os.environ['DB_PASSWORD']",
            "password = getpass.getpass('Password: ')",
            "password: String,",
            "pub password: Option<String>,",
            "password: &'a str,",
            "\"password\": \"${DB_PASSWORD}\"",
            "PASSWORD=$1",
            "password=None, token=None",
            "token: TokenStream",
            "let token = self.next_token();",
            "max_tokens = 4096",
            "the password is required",
            "Set the password (at least 8 characters) and confirm it",
            "The password: how to choose one",
            "Your password is incorrect.",
            "Please enter your password below",
            "password must have 8 characters",
            "\"password\": \"Password\"",
            "password: <password>",
            "api_key: YOUR_API_KEY",
            "login(user=user, password=password)",
            "autocomplete=\"current-password\"",
            "secret = \"my-secret-name\"",
            "token = \"us-east-1\"",
            "secretName: database-credentials",
            "token_url: https://example.com/oauth2/token",
            "passwordFile: /run/secrets/password",
            "private_key: ./keys/server1.pem",
            "pass: 15, fail: 3",
            "if password == other.password {",
            "password: \"********\"",
            "auth: required",
            "key: 0123456789abcdef0123456789abcdef",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn time_is_linear_in_the_text() {
        for piece in [
            "password=",
            "password=\"",
            "password='\"",
            "secret: ",
            "password is ",
            "key",
            "pass",
            "Authorization: Bearer ",
            "\u{5bc6}\u{7801}",
        ] {
            let text = piece.repeat(64 * 1024 / piece.len());
            let from = Instant::now();
            found(&text);
            assert!(from.elapsed() < Duration::from_secs(2), "{piece}: {:?}", from.elapsed());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "(\\PC|password|Authorization: Bearer |api_key|secret|[ =:\"'(<>]| is |\u{5bc6}\u{7801}){0,24}",
            from in 0_usize..60,
        ) {
            let from = text.floor_char_boundary(from.min(text.len()));
            let mut found = Vec::new();
            finder().find(&Text::new(&text), from..text.len(), &mut found);
            for candidate in found {
                prop_assert!(text.get(candidate.start..candidate.end).is_some_and(|text| !text.is_empty()));
            }
        }
    }
}
