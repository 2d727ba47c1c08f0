//! Archives of tar (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU): headers are edited in their bytes, members are treated as the files that they are.
//!
//! The header of a member tells its length and comes before it, so what becomes of a member waits in a [`Stage`]. Names go through the engine too; one that is
//! changed stays unique in its archive.

use std::io::{self, Read, Write};
use std::ops::Range;

use super::fit::Names;
use super::{FormatError, Rule, Summary, Work, file, read_error, rename};

/// Bytes of a block.
const BLOCK: usize = 512;
/// Bytes of a name, or of the records about a member.
const NAMES: u64 = 1 << 20;
/// Bytes of a member that wait in memory.
const IN_MEMORY: usize = 4 << 20;

// Fields of a header: POSIX.1-2001, pax, "ustar Interchange Format".
const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const TIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const USER: Range<usize> = 265..297;
const GROUP: Range<usize> = 297..329;
const DEVICE: [Range<usize>; 2] = [329..337, 337..345];
const PREFIX: Range<usize> = 345..500;
/// In the place of the end of the prefix, `star` has two times; GNU has two, and where in a member of several volumes it is.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_TIMES: [Range<usize>; 2] = [476..488, 488..500];
const GNU_NUMBERS: [Range<usize>; 3] = [345..357, 357..369, 369..381];
/// Bits of a number in base 256, at most, but for lengths: enough for times and owners, and for little else.
const BITS: u32 = 40;
/// What GNU calls a member that is a name.
const LONG: &[u8] = b"././@LongLink";
const STAR_MARK: &[u8; 4] = b"tar\0";

type Block = [u8; BLOCK];

/// What stands behind the fields that all headers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing: from before 1988.
    Old,
    /// Names of owners, and the prefix of the name.
    Posix,
    /// The same, with a shorter prefix and two times.
    Star,
    /// Names of owners, and numbers.
    Gnu,
}

impl Kind {
    fn of(block: &Block) -> Self {
        match &block[MAGIC] {
            b"ustar  \0" => Self::Gnu,
            magic if magic.starts_with(b"ustar") && has_star_times(block) => Self::Star,
            magic if magic.starts_with(b"ustar") => Self::Posix,
            _ => Self::Old,
        }
    }

    const fn prefix(self) -> Option<Range<usize>> {
        match self {
            Self::Old | Self::Gnu => None,
            Self::Posix => Some(PREFIX),
            Self::Star => Some(STAR_PREFIX),
        }
    }
}

/// Whether a header ends as `star` has it, which sets its mark in some formats only: two times behind a prefix that ends before.
fn has_star_times(block: &Block) -> bool {
    let is_time = |field: Range<usize>| {
        let digits = block[field.clone()].strip_suffix(b" ");
        digits.is_some_and(|digits| digits.iter().all(|byte| matches!(byte, b'0'..=b'7')))
    };
    block[STAR_PREFIX.end - 1] == 0 && (block.ends_with(STAR_MARK) || STAR_TIMES.into_iter().all(is_time))
}

/// Zeros what no reader comes to: behind the ends of texts and of numbers, and where there is no field.
fn clear(block: &mut Block, kind: Kind) {
    let texts = [Some(NAME), Some(LINK), kind.prefix()].into_iter().flatten();
    let owners = [USER, GROUP].into_iter().filter(|_| kind != Kind::Old);
    for field in texts.chain(owners) {
        let end = field.start + text(&block[field.clone()]).len();
        block[end..field.end].fill(0);
    }
    let (numbers, rest): (&[Range<usize>], _) = match kind {
        Kind::Old => (&[], MAGIC.start..BLOCK),
        Kind::Posix => (&[], PREFIX.end..BLOCK),
        Kind::Star if block.ends_with(STAR_MARK) => (&STAR_TIMES, PREFIX.end..BLOCK - STAR_MARK.len()),
        Kind::Star => (&STAR_TIMES, PREFIX.end..BLOCK),
        Kind::Gnu => (&GNU_NUMBERS, GNU_NUMBERS[2].end..BLOCK),
    };
    block[rest].fill(0);
    let devices = DEVICE.into_iter().filter(|_| kind != Kind::Old);
    for field in [MODE, UID, GID, SIZE, TIME, CHECKSUM].into_iter().chain(devices).chain(numbers.iter().cloned()) {
        let is_size = field == SIZE;
        let slot = &mut block[field];
        if is_number(slot, is_size) {
            continue;
        }
        match number(slot).filter(|_| slot[0] & 0x80 == 0) {
            Some(value) => set_number(slot, value),
            None => slot.fill(0),
        }
    }
}

/// Whether there is nothing but a number in a field: octal digits, with spaces before and spaces or zeros behind, or one in base 256 that is not too large.
fn is_number(field: &[u8], is_size: bool) -> bool {
    if let [sign @ (0x80 | 0xFF), rest @ ..] = field {
        let most = if is_size { u64::BITS } else { BITS } as usize / 8;
        let (high, _) = rest.split_at(rest.len().saturating_sub(most));
        return high.iter().all(|byte| *byte == if *sign == 0xFF { 0xFF } else { 0 });
    }
    let digits = field.trim_ascii_start();
    let len = digits.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    field[..field.len() - digits.len()].iter().all(|byte| *byte == b' ')
        && digits[len..].iter().all(|byte| matches!(byte, b' ' | 0))
}

/// Whether a file that begins so is one.
pub fn is_tar(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|block: &Block| block[0] != 0 && is_sound(block))
}

/// Whether a header's checksum holds.
fn is_sound(block: &Block) -> bool {
    number(&block[CHECKSUM]) == Some(checksum(block))
}

/// The sum of the bytes, those of the checksum itself taken for spaces.
fn checksum(block: &Block) -> u64 {
    let of = |(at, byte): (usize, &u8)| if CHECKSUM.contains(&at) { u64::from(b' ') } else { u64::from(*byte) };
    block.iter().enumerate().map(of).sum()
}

/// Octal digits between spaces and zeros; or, where the first bit is set, GNU's base 256.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
        return high.iter().all(|byte| *byte == 0).then(|| low.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)));
    }
    let digits = field.trim_ascii().split(|byte| matches!(byte, 0 | b' ')).next()?;
    digits.iter().try_fold(0_u64, |n, byte| match byte {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Writes a number so that [`number`] reads it.
fn set_number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    if value >> (3 * digits).min(63) == 0 {
        field.copy_from_slice(format!("{value:0digits$o}\0").as_bytes());
    } else {
        field.fill(0);
        field[0] = 0x80;
        let at = field.len() - 8;
        field[at..].copy_from_slice(&value.to_be_bytes());
    }
}

fn set_checksum(block: &mut Block) {
    let sum = checksum(block);
    block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

/// Treats an archive.
pub fn scrub(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    let mut archive =
        Archive { source, out, job, depth, summary, names: Names::default(), size: None, said: Said::default() };
    while let Some(block) = archive.block()? {
        if block.iter().all(|byte| *byte == 0) {
            archive.write(&block)?;
            return archive.end();
        }
        if !is_sound(&block) {
            return Err(archive.broken("a header's checksum does not hold"));
        }
        archive.member(block)?;
    }
    // Some writers leave the end out.
    Ok(())
}

struct Archive<'a> {
    source: &'a mut dyn Read,
    out: &'a mut dyn Write,
    job: &'a Work<'a>,
    depth: u32,
    summary: &'a mut Summary,
    /// Changed names.
    names: Names,
    /// Of the next member, where a record says it.
    size: Option<u64>,
    said: Said,
}

/// What records say now of the next member, where they were changed. Its header repeats what they said, cut to its fields, in which nothing may be found any more.
#[derive(Default)]
struct Said {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
}

impl Said {
    fn note(&mut self, record: &[u8], text: &[u8]) {
        let of = match record {
            b"path" => &mut self.name,
            b"linkpath" => &mut self.link,
            b"uname" => &mut self.user,
            b"gname" => &mut self.group,
            _ => return,
        };
        *of = Some(text.to_vec());
    }
}

impl Archive<'_> {
    fn broken(&self, why: &str) -> FormatError {
        FormatError::Broken { format: "tar", why: why.to_owned(), rule: self.job.on_unknown }
    }

    /// Its structure is not known, so nothing of it can be passed on.
    fn unknown(&self, what: &'static str) -> FormatError {
        let rule = if self.job.on_unknown == Rule::Pass { Rule::Refuse } else { self.job.on_unknown };
        FormatError::Unknown { what, nested: self.depth > 1, rule }
    }

    /// The next block; none at the end.
    fn block(&mut self) -> Result<Option<Block>, FormatError> {
        let mut block = [0; BLOCK];
        let mut len = 0;
        while len < BLOCK {
            match self.source.read(&mut block[len..]).map_err(read_error)? {
                0 if len == 0 => return Ok(None),
                0 => return Err(self.broken("it ends within a block")),
                read => len += read,
            }
        }
        Ok(Some(block))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        if self.job.actor.is_none() {
            return Ok(());
        }
        self.out.write_all(bytes).map_err(FormatError::Write)
    }

    /// Behind the last member are zeros, and nothing else.
    fn end(&mut self) -> Result<(), FormatError> {
        while let Some(block) = self.block()? {
            if block.iter().any(|byte| *byte != 0) {
                return Err(self.broken("there is something behind its end"));
            }
            self.write(&block)?;
        }
        Ok(())
    }

    fn member(&mut self, mut block: Block) -> Result<(), FormatError> {
        let Some(mut size) = number(&block[SIZE]) else { return Err(self.broken("a length is no number")) };
        match block[TYPE] {
            b'x' | b'g' => return self.records(&block, size),
            b'L' | b'K' => return self.long_name(&block, size),
            b'0' | 0 | b'7' => {}
            // Links, devices, folders: they have no content, whatever their length says of what they point to.
            b'1'..=b'6' => size = 0,
            _ => {
                return Err(self.unknown("a tar with members in pieces"));
            }
        }
        let size = self.size.take().unwrap_or(size);
        let came = block;
        self.names_of(&mut block)?;
        let mut content = (&mut *self.source).take(size);
        let mut stage = self.job.stage(IN_MEMORY);
        file(&mut content, &mut stage, self.job, self.depth + 1, self.summary)?;
        if content.limit() > 0 {
            return Err(self.broken("it ends within a member"));
        }
        self.skip(size)?;
        if self.job.actor.is_none() {
            return Ok(());
        }
        stage.end().map_err(FormatError::Write)?;
        if (size > 0 || !stage.is_empty()) && number(&block[SIZE]) != Some(stage.len()) {
            set_number(&mut block[SIZE], stage.len());
        }
        if block != came {
            set_checksum(&mut block);
        }
        self.write(&block)?;
        let len = stage.len();
        io::copy(&mut stage, self.out).map_err(FormatError::Write)?;
        self.pad(len)
    }

    /// What fills the last block of a content.
    fn skip(&mut self, size: u64) -> Result<(), FormatError> {
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        let read = io::copy(&mut (&mut *self.source).take(padding), &mut io::sink()).map_err(read_error)?;
        if read < padding { Err(self.broken("it ends within a member")) } else { Ok(()) }
    }

    fn pad(&mut self, len: u64) -> Result<(), FormatError> {
        let padding = len.next_multiple_of(BLOCK as u64) - len;
        self.write(&[0; BLOCK][..padding as usize])
    }

    /// The content of a member that is about another one.
    fn about(&mut self, size: u64) -> Result<Vec<u8>, FormatError> {
        if size > NAMES {
            return Err(FormatError::Limit(format!("a member of its tar has more than {NAMES} bytes of names")));
        }
        let mut content = Vec::new();
        (&mut *self.source).take(size).read_to_end(&mut content).map_err(read_error)?;
        if content.len() as u64 != size {
            return Err(self.broken("it ends within a member"));
        }
        self.skip(size)?;
        Ok(content)
    }

    fn write_about(&mut self, came: &Block, content: &[u8]) -> Result<(), FormatError> {
        let mut block = *came;
        let kind = Kind::of(&block);
        clear(&mut block, kind);
        // Its own names repeat those of the member, and are cut to their fields: no record can be about one.
        let name = whole_name(&block, kind);
        let new = match self.said.name.as_ref().filter(|_| name != LONG) {
            Some(said) => said.clone(),
            None => self.scrubbed(&name, false)?,
        };
        if new != name {
            set_name(&mut block, kind, &new, &mut Vec::new());
        }
        for (field, _, said) in texts(kind, &self.said) {
            let old = text(&block[field.clone()]).to_vec();
            let new = match said.filter(|_| !old.is_empty()) {
                Some(said) => said,
                None => self.scrubbed(&old, false)?,
            };
            if new != old {
                set_text(&mut block[field], &new, b"", &mut Vec::new());
            }
        }
        if number(&block[SIZE]) != Some(content.len() as u64) {
            set_number(&mut block[SIZE], content.len() as u64);
        }
        if block != *came {
            set_checksum(&mut block);
        }
        self.put_about(&block, content)
    }

    fn put_about(&mut self, block: &Block, content: &[u8]) -> Result<(), FormatError> {
        self.write(block)?;
        self.write(content)?;
        self.pad(content.len() as u64)
    }

    /// GNU's name that is longer than its field.
    fn long_name(&mut self, block: &Block, size: u64) -> Result<(), FormatError> {
        let content = self.about(size)?;
        let old = text(&content);
        let mut name = self.scrubbed(old, block[TYPE] == b'L')?;
        if name == old && content[old.len()..].iter().all(|byte| *byte == 0) {
            return self.write_about(block, &content);
        }
        if name != old {
            self.said.note(if block[TYPE] == b'L' { b"path" } else { b"linkpath" }, &name);
        }
        name.push(0);
        self.write_about(block, &name)
    }

    /// Records of pax: `length name=value\n`. Comments are dropped.
    fn records(&mut self, block: &Block, size: u64) -> Result<(), FormatError> {
        let content = self.about(size)?;
        let mut out = Vec::with_capacity(content.len());
        let mut rest = &content[..];
        while !rest.is_empty() {
            let Some((record, after)) = record(rest) else { return Err(self.broken("a record is none")) };
            rest = after;
            let (name, value) = record;
            let value = match name {
                b"comment" => continue,
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                    let Some(size) = size else { return Err(self.broken("a length is no number")) };
                    self.size = Some(size);
                    // The header will tell it.
                    continue;
                }
                _ if name.starts_with(b"GNU.sparse.") => {
                    return Err(self.unknown("a tar with sparse members"));
                }
                _ => {
                    let new = self.scrubbed(value, name == b"path")?;
                    if new != value && block[TYPE] == b'x' {
                        self.said.note(name, &new);
                    }
                    new
                }
            };
            put_record(name, &value, &mut out);
        }
        if out.is_empty() { Ok(()) } else { self.write_about(block, &out) }
    }

    /// The names in a header: of the member, of what it leads to, and of its owners.
    fn names_of(&mut self, block: &mut Block) -> Result<(), FormatError> {
        let kind = Kind::of(block);
        clear(block, kind);
        let said = std::mem::take(&mut self.said);
        let mut records = Vec::new();
        // What a record says already needs none.
        if let Some(name) = &said.name {
            set_name(block, kind, name, &mut Vec::new());
        } else {
            let whole = whole_name(block, kind);
            let changed = self.scrubbed(&whole, true)?;
            if changed != whole {
                set_name(block, kind, &changed, &mut records);
            }
        }
        for (field, record, said) in texts(kind, &said) {
            let old = text(&block[field.clone()]).to_vec();
            if let Some(said) = said.filter(|_| !old.is_empty()) {
                set_text(&mut block[field], &said, b"", &mut Vec::new());
                continue;
            }
            let new = self.scrubbed(&old, false)?;
            if new != old {
                set_text(&mut block[field], &new, record, &mut records);
            }
        }
        if !records.is_empty() {
            let mut about = *block;
            about[TYPE] = b'x';
            about[LINK].fill(0);
            set_number(&mut about[SIZE], records.len() as u64);
            set_checksum(&mut about);
            self.put_about(&about, &records)?;
        }
        Ok(())
    }

    /// A name after the engine saw it. One of a member stays unique.
    fn scrubbed(&mut self, name: &[u8], unique: bool) -> Result<Vec<u8>, FormatError> {
        rename(name, unique.then_some(&mut self.names), self.job, self.summary)
    }
}

/// The name in a header, with its prefix.
fn whole_name(block: &Block, kind: Kind) -> Vec<u8> {
    let prefix = kind.prefix().map(|prefix| text(&block[prefix])).unwrap_or_default();
    match prefix {
        [] => text(&block[NAME]).to_vec(),
        prefix => [prefix, b"/", text(&block[NAME])].concat(),
    }
}

/// Writes it without a prefix.
fn set_name(block: &mut Block, kind: Kind, name: &[u8], records: &mut Vec<u8>) {
    if let Some(prefix) = kind.prefix() {
        block[prefix].fill(0);
    }
    set_text(&mut block[NAME], name, b"path", records);
}

/// A text of a header: its field, the record that may say it, and what that says.
type Text = (Range<usize>, &'static [u8], Option<Vec<u8>>);

/// Those beside the name.
fn texts(kind: Kind, said: &Said) -> Vec<Text> {
    let mut texts = vec![(LINK, &b"linkpath"[..], said.link.clone())];
    if kind != Kind::Old {
        texts.extend([(USER, &b"uname"[..], said.user.clone()), (GROUP, b"gname", said.group.clone())]);
    }
    texts
}

/// Writes a text into its field, or, where it is too long for that, a record.
fn set_text(field: &mut [u8], text: &[u8], record: &[u8], records: &mut Vec<u8>) {
    field.fill(0);
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
    if len < text.len() {
        put_record(record, text, records);
    }
}

/// Name and value of a record of pax.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The first record, and the rest.
fn record(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), rest))
}

/// Adds a record, whose length counts its own digits.
fn put_record(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let rest = name.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() != len {
        len += 1;
    }
    out.extend_from_slice(format!("{len} ").as_bytes());
    out.extend_from_slice(name);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_back(value in any::<u64>(), small in 0_u64..1 << 33) {
            for value in [value, small] {
                let mut field = [0; 12];
                set_number(&mut field, value);
                prop_assert_eq!(number(&field), Some(value));
            }
        }

        #[test]
        fn records_are_read_back(name in "[a-z.]{1,20}", value in "\\PC{0,120}") {
            let mut bytes = Vec::new();
            put_record(name.as_bytes(), value.as_bytes(), &mut bytes);
            bytes.extend_from_slice(b"rest");
            prop_assert_eq!(record(&bytes), Some(((name.as_bytes(), value.as_bytes()), &b"rest"[..])));
        }
    }

    #[test]
    fn numbers_of_other_writers() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"644 \0\0\0\0", Some(0o644)),
            (b"\x80\0\0\0\0\0\0\0\x01\0\0\0", Some(1 << 24)),
            (b"\x80\xFF\0\0\0\0\0\0\x01\0\0\0", None),
            (b"99999999", None),
        ] {
            assert_eq!(number(field), expected);
        }
    }
}
