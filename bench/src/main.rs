//! Load generator: one S3 operation against one endpoint from a fixed number of connections, and what it took.
//!
//! Prints one JSON object: requests, errors, seconds, bytes, latencies in microseconds, and, of the processes named with
//! `--pid`, CPU seconds and peak resident bytes. `bench/run.py` makes the table of `docs/benchmarks.md` from many such runs.

mod body;
mod client;
mod process;
mod sign;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::json;

use client::{Client, Failure};
use process::Usage;
use sign::{Payload, Signer};

/// Sends one S3 operation over and over and prints what it took, as JSON.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Address of the endpoint.
    #[arg(long, value_name = "ADDR:PORT")]
    endpoint: SocketAddr,
    /// Access key.
    #[arg(long)]
    access_key: String,
    /// Secret key.
    #[arg(long)]
    secret_key: String,
    /// Region of the signature.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Bucket; it must exist.
    #[arg(long)]
    bucket: String,
    /// What to send.
    #[arg(long, value_enum)]
    operation: Operation,
    /// Bytes of an object.
    #[arg(long, default_value_t = 1024)]
    size: u64,
    /// Different keys, taken in turn: `k0`, `k1` …
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=4096))]
    connections: u64,
    /// How long, in seconds; whichever of this and `--requests` comes first.
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
    /// How many requests.
    #[arg(long, default_value_t = u64::MAX)]
    requests: u64,
    /// Sign the SHA-256 of the body in place of `UNSIGNED-PAYLOAD`.
    #[arg(long)]
    signed_payload: bool,
    /// Processes whose CPU time and memory are measured. Can be given again.
    #[arg(long)]
    pid: Vec<u32>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Operation {
    /// `GetObject`, read to its end.
    Get,
    /// `PutObject`.
    Put,
    /// `ListObjectsV2`, first page.
    List,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// No request succeeded, or the first one failed in a way that all would.
    #[error("the first request failed")]
    First(#[source] Failure),
    /// A measured process cannot be read.
    #[error("process {0} cannot be read")]
    Process(u32, #[source] std::io::Error),
}

/// What the connections share: the work that is left.
struct Work {
    next: AtomicU64,
    requests: u64,
    until: Instant,
}

impl Work {
    /// The number of the next request, none when all is done.
    fn take(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.requests && Instant::now() < self.until).then_some(number)
    }
}

#[derive(Default)]
struct Tally {
    micros: Vec<u64>,
    bytes: u64,
    errors: u64,
    last_error: Option<Failure>,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match run(Options::parse()).await {
        Ok(result) => {
            println!("{result}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("bench: {text}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<serde_json::Value, Error> {
    let payload = if options.operation == Operation::Put && options.signed_payload {
        Payload::Sha256(body::sha256(options.size))
    } else {
        Payload::Unsigned
    };
    let signer = Signer::new(&options.access_key, &options.secret_key, &options.region, options.endpoint, payload);
    let options = Arc::new(options);
    let signer = Arc::new(signer);
    // Not measured: opens what is cached by the first request, and shows at once what is configured wrongly.
    let mut first = Client::new(options.endpoint);
    once(&mut first, &options, &signer, 0).await.map_err(Error::First)?;

    let before = usage(&options.pid)?;
    let started = Instant::now();
    let work = Arc::new(Work {
        next: AtomicU64::new(0),
        requests: options.requests,
        until: started + Duration::from_secs_f64(options.seconds.clamp(0.0, 86_400.0)),
    });
    let connections: Vec<_> = (0..options.connections)
        .map(|_| {
            let (options, signer, work) = (options.clone(), signer.clone(), work.clone());
            tokio::spawn(async move {
                let mut client = Client::new(options.endpoint);
                let mut tally = Tally::default();
                while let Some(number) = work.take() {
                    let at = Instant::now();
                    match once(&mut client, &options, &signer, number).await {
                        Ok(bytes) => {
                            tally.micros.push(at.elapsed().as_micros() as u64);
                            tally.bytes += bytes;
                        }
                        Err(failure) => {
                            tally.errors += 1;
                            tally.last_error = Some(failure);
                            client = Client::new(options.endpoint);
                        }
                    }
                }
                tally
            })
        })
        .collect();
    let mut all = Tally::default();
    for connection in connections {
        if let Ok(tally) = connection.await {
            all.micros.extend(tally.micros);
            all.bytes += tally.bytes;
            all.errors += tally.errors;
            all.last_error = tally.last_error.or(all.last_error);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = usage(&options.pid)?;
    all.micros.sort_unstable();
    Ok(json!({
        "requests": all.micros.len(),
        "errors": all.errors,
        "last_error": all.last_error.map(|e| e.to_string()),
        "seconds": seconds,
        "bytes": all.bytes,
        "p50_us": percentile(&all.micros, 50),
        "p99_us": percentile(&all.micros, 99),
        "cpu_seconds": after.cpu_seconds - before.cpu_seconds,
        "peak_rss_bytes": after.peak_rss_bytes,
    }))
}

/// One request and its whole answer; the bytes of object or listing that passed.
async fn once(client: &mut Client, options: &Options, signer: &Signer, number: u64) -> Result<u64, Failure> {
    let key = number % options.keys;
    match options.operation {
        Operation::Get => {
            let path = format!("/{}/k{key}", options.bucket);
            let read = client.send(signer.request("GET", &path, "", 0)).await?;
            if read == options.size { Ok(read) } else { Err(Failure::Length { read, expected: options.size }) }
        }
        Operation::Put => {
            let path = format!("/{}/k{key}", options.bucket);
            client.send(signer.request("PUT", &path, "", options.size)).await?;
            Ok(options.size)
        }
        Operation::List => {
            let path = format!("/{}", options.bucket);
            client.send(signer.request("GET", &path, "list-type=2&max-keys=1000", 0)).await
        }
    }
}

fn usage(pids: &[u32]) -> Result<Usage, Error> {
    let mut sum = Usage::default();
    for &pid in pids {
        sum += Usage::of(pid).map_err(|e| Error::Process(pid, e))?;
    }
    Ok(sum)
}

/// The nearest-rank percentile of sorted values, 0 of none.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentile_is_the_nearest_rank() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&values, 50), 100);
        assert_eq!(percentile(&values, 99), 198);
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile(&[], 50), 0);
    }
}
