//! Addresses without a street: boxes of post offices, rural routes, the military, and those of East Asia.

use super::super::scan::back;
use super::token::{Gap, Token, next};

/// Words before the number of a box, in lower case, and how sure they are.
const BOXES: &[(&str, u8)] = &[
    ("p.o. box", 3),
    ("p.o box", 3),
    ("p. o. box", 3),
    ("po box", 3),
    ("p.o.box", 3),
    ("pobox", 3),
    ("post office box", 3),
    ("gpo box", 3),
    ("private bag", 2),
    ("locked bag", 3),
    ("postfach", 3),
    ("postbus", 3),
    ("postboks", 3),
    ("boîte postale", 3),
    ("b.p.", 2),
    ("bp", 1),
    ("cs", 1),
    ("apartado de correos", 3),
    ("apartado postal", 3),
    ("apartado", 2),
    ("apdo.", 2),
    ("apdo. de correos", 3),
    ("casella postale", 3),
    ("caixa postal", 3),
    ("casilla", 1),
    ("c.p.", 1),
    ("skrytka pocztowa", 3),
    ("skr. poczt.", 3),
    ("poštovní přihrádka", 3),
    ("postilokero", 3),
    ("а/я", 3),
    ("rural route", 3),
    ("rr", 1),
    ("hc", 1),
    ("psc", 1),
    ("cmr", 1),
];

/// The longest of them, in bytes.
const LONGEST: usize = 24;

/// An address at a number: its start, its end, and how sure it is.
pub(super) fn boxed(text: &str, number: &Token<'_>) -> Option<(usize, usize, u8)> {
    let near = back(text, number.start, LONGEST);
    let words = near.trim_end_matches([' ', '#', ':']).trim_end_matches(" No.");
    if near.len() - words.len() > 4 || !words.ends_with(is_end) {
        return None;
    }
    // Most words end otherwise.
    let last = |text: &str| text.as_bytes().last_chunk::<2>().map(|[a, b]| [a, b].map(u8::to_ascii_lowercase));
    if words.ends_with(|last: char| last.is_ascii()) && !BOXES.iter().any(|(phrase, _)| last(phrase) == last(words)) {
        return None;
    }
    let lower = words.to_lowercase();
    if lower.len() != words.len() {
        return None;
    }
    let (phrase, sureness) = BOXES
        .iter()
        .filter(|(phrase, _)| lower.ends_with(phrase))
        .filter(|(phrase, _)| {
            !lower[..lower.len() - phrase.len()].ends_with(|before: char| before.is_alphanumeric() || before == '.')
        })
        .max_by_key(|(phrase, _)| phrase.len())?;
    let start = number.start - near.len() + (words.len() - phrase.len());
    let mut end = number.end;
    // `Postfach 12 34 56`.
    while let Some(more) = next(text, end).filter(|more| {
        more.gap == Gap::Space && more.text.len() <= 3 && more.text.bytes().all(|byte| byte.is_ascii_digit())
    }) {
        if end - number.start > 12 {
            break;
        }
        end = more.end;
    }
    // `RR 2 Box 152`, `PSC 1234, Box 56`.
    let second = next(text, end)
        .filter(|word| word.gap <= Gap::Comma && word.gap > Gap::None && word.text.eq_ignore_ascii_case("box"));
    if let Some(id) =
        second.and_then(|word| next(text, word.past())).filter(|id| id.gap == Gap::Space && id.is_number())
    {
        return Some((start, id.end, 3));
    }
    Some((start, end, *sureness))
}

/// `Unit 1234 Box 567`.
pub(super) fn military(text: &str, number: &Token<'_>) -> Option<(usize, usize, u8)> {
    let near = back(text, number.start, 6);
    let start = ["Unit ", "UNIT "].iter().find(|word| near.ends_with(*word)).map(|word| number.start - word.len())?;
    let word = next(text, number.end)
        .filter(|word| matches!(word.gap, Gap::Space | Gap::Comma) && word.text.eq_ignore_ascii_case("box"))?;
    let id = next(text, word.past()).filter(|id| id.gap == Gap::Space && id.is_number())?;
    Some((start, id.end, 3))
}

fn is_end(character: char) -> bool {
    matches!(
        character.to_ascii_lowercase(),
        'x' | 'g' | 'h' | 's' | 'p' | '.' | 'e' | 'l' | 'o' | 'a' | 'u' | 'r' | 'c'
    ) || !character.is_ascii()
}

/// `東京都千代田区丸の内1-1-1`, `北京市朝阳区建国路88号`, `서울특별시 강남구 테헤란로 152`: an area and a number that follows it.
pub(super) fn eastern(text: &str, number: &Token<'_>) -> Option<(usize, usize, u8)> {
    const AREAS: &[char] = &['都', '道', '府', '県', '省', '市', '区', '區', '县', '縣', '郡', '州'];
    const STREETS: &[char] = &['路', '街', '巷', '弄', '段', '町', '村', '目', '道', '里'];
    let before = text[..number.start].trim_end_matches(' ').chars().next_back()?;
    if is_han(before) {
        let window = back(text, number.start, 120);
        let run = window.trim_end_matches(' ');
        let from = run
            .rfind(|character: char| {
                !(is_han(character) || character.is_ascii_digit() || matches!(character, '丁' | '-' | '−'))
            })
            .map_or(0, |at| at + run[at..].chars().next().map_or(0, char::len_utf8));
        let run = &run[from..];
        let areas = run.char_indices().filter(|(at, character)| *at > 0 && AREAS.contains(character)).count();
        let end = counted(text, number.end);
        let street = run.ends_with(STREETS);
        if areas == 0 || !(street || end > number.end || areas > 1) || run.chars().count() < 4 {
            return None;
        }
        return Some((number.start - window.len() + from, end, 3));
    }
    // A road, of a district.
    if !('가'..='힣').contains(&before) {
        return None;
    }
    let road = super::token::prev(text, number.start)
        .filter(|road| road.gap == Gap::Space && road.text.ends_with(['로', '길', '동', '리']))?;
    let mut start = None;
    let mut at = road.start;
    for _ in 0..4 {
        let Some(area) = super::token::prev(text, at).filter(|area| {
            area.gap == Gap::Space && area.text.ends_with(['시', '도', '구', '군', '읍', '면', '동', '울'])
        }) else {
            break;
        };
        at = area.start;
        start = Some(at);
    }
    start.map(|start| (start, number.end, 3))
}

const fn is_han(character: char) -> bool {
    matches!(character, '\u{3005}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}')
}

/// The end of a number with what counts it: `88号`, `1丁目2番3号`, `12号楼`.
fn counted(text: &str, end: usize) -> usize {
    let within = |character: char| {
        character.is_ascii_digit()
            || matches!(
                character,
                '丁' | '目' | '番' | '地' | '号' | '號' | '楼' | '樓' | '室' | '层' | '階' | '-' | 'の' | '之'
            )
    };
    let rest = &text[end..];
    let len: usize = rest.chars().take(24).take_while(|character| within(*character)).map(char::len_utf8).sum();
    end + rest[..len].trim_end_matches(['-', 'の', '之']).len()
}
