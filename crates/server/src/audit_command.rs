//! `parhelion audit`: the audit log of a data folder, checked and exported without a server.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use engine::AuditArchive;
use server::config::Store;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check the hash chain: exit code 0 if the log is whole, 1 if it is not
    Verify {
        #[command(flatten)]
        place: Place,
        /// A row that is known to have been in the log, as an earlier check printed it: finds a tail that was cut off
        #[arg(long, value_name = "ID:HASH", value_parser = parse_head)]
        head: Option<Head>,
        /// The public key that removals of rows have to be signed with, as an earlier check printed it
        #[arg(long, value_name = "HEX", value_parser = parse_key)]
        key: Option<[u8; 32]>,
    },
    /// Write every row as a line of JSON, oldest first
    Export {
        #[command(flatten)]
        place: Place,
        /// File to write; standard output where it is left out
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub struct Place {
    /// The data folder; no server may have it open
    #[arg(long, value_name = "DIR", env = "PARHELION_DATA")]
    data: PathBuf,
    /// The folder's embedded store
    #[arg(long, value_name = "STORE", default_value = "fjall")]
    store: Store,
}

#[derive(Clone, Copy, Debug)]
pub struct Head {
    id: u64,
    hash: [u8; 32],
}

fn parse_head(text: &str) -> Result<Head, String> {
    let wanted = "an id, a colon and 64 hexadecimal digits are needed";
    let (id, hash) = text.split_once(':').ok_or(wanted)?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(hash, &mut bytes).map_err(|_| wanted)?;
    Ok(Head {
        id: id.parse().map_err(|_| wanted)?,
        hash: bytes,
    })
}

fn parse_key(text: &str) -> Result<[u8; 32], String> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).map_err(|_| "64 hexadecimal digits are needed")?;
    Ok(key)
}

pub fn run(command: AuditCommand) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::Verify { place, head, key } => verify(&open(&place)?, head, key),
        AuditCommand::Export { place, output } => export(&open(&place)?, output.as_deref()),
    }
}

fn open(place: &Place) -> Result<AuditArchive, Failure> {
    // Opening makes a folder that is not there; a check of nothing would pass.
    if !place.data.is_dir() {
        return Err(format!("{} is not a data folder", place.data.display()).into());
    }
    Ok(AuditArchive::open(&place.data, place.store.into()).map_err(|error| error.message().to_string())?)
}

fn verify(archive: &AuditArchive, head: Option<Head>, key: Option<[u8; 32]>) -> Result<ExitCode, Failure> {
    let verdict = archive
        .verify(head.map(|head| (head.id, head.hash)))
        .map_err(|error| error.message().to_string())?;
    let mut out = io::stdout().lock();
    let (id, hash) = verdict.head;
    match verdict.first_bad {
        None => writeln!(out, "the audit log is whole: {} rows", verdict.rows)?,
        Some((bad, reason)) => writeln!(out, "the audit log is broken at row {bad}: {reason}")?,
    }
    writeln!(out, "head {id}:{}", hex::encode(hash))?;
    let anchor = archive.anchor().map_err(|error| error.message().to_string())?;
    if let Some(anchor) = &anchor {
        writeln!(
            out,
            "begins at row {}: {} rows before it were removed by {}, key {}",
            anchor.first_kept,
            anchor.removed_rows,
            anchor.user_name.escape_default(),
            hex::encode(anchor.public_key)
        )?;
    }
    if let (Some(key), Some(anchor)) = (key, &anchor)
        && key != anchor.public_key
    {
        writeln!(out, "that key is not {}", hex::encode(key))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(if verdict.whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn export(archive: &AuditArchive, output: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut out: Box<dyn Write> = match output {
        Some(path) => Box::new(BufWriter::new(std::fs::File::create(path)?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let count = archive.export(&mut out).map_err(|error| error.message().to_string())?;
    drop(out);
    eprintln!("{count} rows exported");
    Ok(ExitCode::SUCCESS)
}
