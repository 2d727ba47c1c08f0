//! Configuration, in a file and in the environment: any text is a configuration or is refused, and no error tells a secret.
//! Lines `DATA_VAULT__NAME=value` are variables, the others the file.
#![no_main]

use std::path::Path;

use gateway::config::{Config, Sources};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

fuzz_target!(|text: &str| {
    let (variables, mut lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("DATA_VAULT__"));
    let credential = format!("secret_key = \"{SECRET}\"");
    lines.extend(["[[credentials]]", "access_key = \"client\"", &credential]);
    match Config::parse(Path::new("data-vault.toml"), lines.join("\n")) {
        Ok(config) => assert!(!format!("{config:?}").contains(SECRET)),
        Err(e) => assert!(!e.to_string().contains(SECRET), "{e}"),
    }
    let environment = variables.iter().filter_map(|line| line.split_once('='));
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let _ = Config::load(&Sources { environment, ..Sources::default() });
});
