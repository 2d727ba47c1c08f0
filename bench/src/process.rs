//! CPU time and memory of a process, from `/proc` (proc(5)).

use std::io;
use std::ops::AddAssign;

/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 for user space on Linux.
const TICKS: f64 = 100.0;

/// What a process has used since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time, in seconds, of all its threads.
    pub cpu_seconds: f64,
    /// `VmHWM`.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// Reads it.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        parse(&stat, &status).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu_seconds += other.cpu_seconds;
        self.peak_rss_bytes += other.peak_rss_bytes;
    }
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name, in parentheses, may hold spaces; `utime` and `stime` are fields 14 and 15, the 12th and 13th behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Usage { cpu_seconds: f64::from(ticks) / TICKS, peak_rss_bytes: kib * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 8 0 5 1 1";
        let status = "Name:\ta b) c\nVmPeak:\t  99 kB\nVmHWM:\t    2048 kB\n";
        let usage = parse(stat, status).unwrap();
        assert!((usage.cpu_seconds - 2.0).abs() < 1e-9);
        assert_eq!(usage.peak_rss_bytes, 2 << 20);
        assert_eq!(parse("7 (x) S 1", status), None);
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(Usage::of(std::process::id()).unwrap().peak_rss_bytes > 0);
    }
}
