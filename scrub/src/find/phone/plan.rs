//! Numbering plans: which national numbers a calling code (ITU-T E.164) has, by length and first two digits.

/// Digits of a national number, at the most.
const LONGEST: usize = 17;

/// For each length the first two digits in use, a bit each.
type Lengths = [u128; LONGEST + 1];

/// All of them.
pub struct Plans {
    /// By calling code.
    plans: Vec<Option<Box<Lengths>>>,
    /// Of all plans whose national prefix is 0.
    zero: Lengths,
}

impl Plans {
    /// Those of the table in this folder.
    pub fn load() -> Result<Self, String> {
        let mut plans: Vec<Option<Box<Lengths>>> = vec![None; 1000];
        let mut zero: Lengths = [0; LONGEST + 1];
        for line in include_str!("plans.txt").lines().filter(|line| !line.starts_with('#')) {
            let wrong = || format!("numbering plan {line:?}");
            let mut fields = line.split(' ');
            let code: usize = fields.next().and_then(|code| code.parse().ok()).ok_or_else(wrong)?;
            let trunk = fields.next().ok_or_else(wrong)?;
            let mut lengths: Lengths = [0; LONGEST + 1];
            for field in fields {
                let (length, starts) = field.split_once(':').ok_or_else(wrong)?;
                let length: usize = length.parse().map_err(|_| wrong())?;
                let set = lengths.get_mut(length).ok_or_else(wrong)?;
                for range in starts.split(',') {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    let tens = |digits: &str, rest: u32| match digits.len() {
                        1 => digits.parse::<u32>().map(|digit| digit * 10 + rest),
                        _ => digits.parse::<u32>(),
                    };
                    let (first, last) = (tens(first, 0).map_err(|_| wrong())?, tens(last, 9).map_err(|_| wrong())?);
                    for start in first..=last.min(99) {
                        *set |= 1 << start;
                    }
                }
            }
            if trunk == "0" {
                zero.iter_mut().zip(lengths).for_each(|(all, set)| *all |= set);
            }
            *plans.get_mut(code).ok_or_else(wrong)? = Some(Box::new(lengths));
        }
        Ok(Self { plans, zero })
    }

    /// Whether digits are a calling code and a national number of its plan.
    pub fn international(&self, digits: &[u8]) -> bool {
        (1..=3).any(|length| {
            let Some((code, national)) = digits.split_at_checked(length) else { return false };
            self.plans.get(value(code)).and_then(Option::as_deref).is_some_and(|lengths| has(lengths, national))
        })
    }

    /// Whether digits start with a calling code in use.
    pub fn has_code(&self, digits: &[u8]) -> bool {
        !digits.starts_with(b"0")
            && (1..=3).any(|length| {
                digits.get(..length).is_some_and(|code| self.plans.get(value(code)).is_some_and(Option::is_some))
            })
    }

    /// Whether digits are a national number, without its prefix, where that is 0.
    pub fn behind_zero(&self, national: &[u8]) -> bool {
        has(&self.zero, national)
    }
}

fn value(digits: &[u8]) -> usize {
    digits.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0'))
}

fn has(lengths: &Lengths, national: &[u8]) -> bool {
    national.len() >= 2 && lengths.get(national.len()).is_some_and(|starts| starts >> value(&national[..2]) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_plans() {
        let plans = Plans::load().unwrap();
        for number in
            ["493012345678", "33123456789", "12015550123", "442079460958", "390212345678", "35312345678", "85223456789"]
        {
            assert!(plans.international(number.as_bytes()), "{number}");
        }
        for number in ["10000000000", "49", "9991234567", "3312345", "0123456789"] {
            assert!(!plans.international(number.as_bytes()), "{number}");
        }
        assert!(plans.behind_zero(b"2079460958"));
        assert!(!plans.behind_zero(b"12"));
        assert_eq!(plans.plans.iter().flatten().count(), 215);
    }
}
