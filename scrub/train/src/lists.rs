//! The lists of `scrub/gazetteer` and `scrub/train/lists`, split into names that the model may know and names kept for judging.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use crate::rng::fnv;

/// Given and family names of one language.
#[derive(Debug, Default)]
pub struct Names {
    /// Given names.
    pub first: Vec<String>,
    /// Family names.
    pub last: Vec<String>,
}

/// Everything that names are filled in from.
#[derive(Debug, Default)]
pub struct Lists {
    /// By language code; `us` are the census lists, in order of frequency.
    pub people: BTreeMap<String, Names>,
    /// Names that no list of the model holds, for judging.
    pub unseen: Names,
    /// Large cities.
    pub cities: Vec<String>,
    /// Towns.
    pub towns: Vec<String>,
    /// Small towns, which no list of the model holds.
    pub villages: Vec<String>,
    /// Small towns for judging.
    pub unseen_villages: Vec<String>,
    /// Countries.
    pub countries: Vec<String>,
    /// States, provinces, counties.
    pub regions: Vec<String>,
    /// Addresses by language, `|` for a line break.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Company names by language.
    pub companies: BTreeMap<String, Vec<String>>,
    /// Frequent English words.
    pub common: Vec<String>,
    /// Other English words.
    pub english: Vec<String>,
    /// Words of other languages.
    pub foreign: Vec<String>,
    /// Lists written for this model, by file name.
    pub own: BTreeMap<String, Vec<String>>,
}

impl Lists {
    /// Reads all of them; `root` is the `scrub` folder.
    pub fn read(root: &Path) -> io::Result<Self> {
        let read = |name: &str| fs::read_to_string(root.join(name));
        let mut lists = Self::default();
        let surnames: Vec<String> = read("gazetteer/us_surnames.txt")?.lines().map(cased).collect();
        let frequent: BTreeSet<String> = surnames.iter().take(12_000).cloned().collect();
        let given: Vec<String> = read("gazetteer/us_first_names.txt")?.lines().map(cased).collect();
        let us = lists.people.entry("us".to_owned()).or_default();
        us.first.clone_from(&given);
        for name in surnames {
            if !frequent.contains(&name) && fnv(&name).is_multiple_of(12) {
                lists.unseen.last.push(name);
            } else {
                us.last.push(name);
            }
        }
        let unseen: BTreeSet<String> = lists.unseen.last.iter().cloned().collect();
        let given: BTreeSet<String> = given.into_iter().collect();
        for line in read("gazetteer/people.tsv")?.lines() {
            let [language, kind, name] = columns(line);
            let names = lists.people.entry(language.to_owned()).or_default();
            let kept = fnv(name).is_multiple_of(12) && !frequent.contains(name) && !given.contains(name);
            match (kind, kept || unseen.contains(name)) {
                ("F", true) => lists.unseen.first.push(name.to_owned()),
                ("L", true) => lists.unseen.last.push(name.to_owned()),
                ("F", false) => names.first.push(name.to_owned()),
                _ => names.last.push(name.to_owned()),
            }
        }
        lists.people.retain(|_, names| names.first.len() >= 20 && names.last.len() >= 20);
        for line in read("gazetteer/places.tsv")?.lines() {
            let [kind, _, name] = columns(line);
            let list = match kind {
                "C1" => &mut lists.cities,
                "C2" => &mut lists.towns,
                "C3" if fnv(name).is_multiple_of(6) => &mut lists.unseen_villages,
                "C3" => &mut lists.villages,
                "N" => &mut lists.countries,
                _ => &mut lists.regions,
            };
            list.push(name.to_owned());
        }
        for (file, to) in
            [("gazetteer/addresses.tsv", &mut lists.addresses), ("gazetteer/companies.tsv", &mut lists.companies)]
        {
            for line in read(file)?.lines() {
                if let Some((locale, value)) = line.split_once('\t') {
                    let language = if locale == "en_US" { "us" } else { locale.get(..2).unwrap_or("us") };
                    to.entry(language.to_owned()).or_default().push(value.to_owned());
                }
            }
        }
        for line in read("gazetteer/words.tsv")?.lines() {
            let [kind, word, _] = columns(line);
            let list = match kind {
                "en1" => &mut lists.common,
                "en2" => &mut lists.english,
                _ => &mut lists.foreign,
            };
            list.push(word.to_owned());
        }
        let mut files: Vec<_> = fs::read_dir(root.join("train/lists"))?.collect::<Result<_, _>>()?;
        files.sort_by_key(fs::DirEntry::path);
        for file in files {
            let name = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let lines = fs::read_to_string(file.path())?;
            let values = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            lists.own.insert(name, values.map(str::to_owned).collect());
        }
        Ok(lists)
    }

    /// A list of `train/lists`; one that is missing is a mistake in the repository.
    pub fn own(&self, name: &str) -> &[String] {
        self.own.get(name).map_or(&[], Vec::as_slice)
    }
}

fn columns(line: &str) -> [&str; 3] {
    let mut parts = line.splitn(3, '\t');
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// The census writes in capitals only: `Mcdonald` becomes `McDonald`.
fn cased(name: &str) -> String {
    match name.strip_prefix("Mc") {
        Some(rest) if rest.len() > 2 => {
            let mut letters = rest.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            format!("Mc{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
        }
        _ => name.to_owned(),
    }
}
