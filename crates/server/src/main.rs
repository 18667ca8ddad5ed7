//! The `parhelion` command: `serve` a data folder, `run` a script without a server, `audit` a folder's log.

mod audit_command;

use std::backtrace::Backtrace;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use engine::{AlertHook, ConnectOptions, Database, FunctionOptions, Options};
use server::config::{self, Config, LogFormat, Settings, Store};
use server::log_line::on_one_line;
use server::script::{self, RunOptions};
use server::{Server, listen, webhook};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{self, Writer};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A SQL database whose stored procedures are JavaScript, Python and WebAssembly in metered sandboxes
#[derive(Parser)]
#[command(name = "parhelion", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a data folder to PostgreSQL clients
    #[command(
        after_help = "Flags win over the environment, the environment over the file. Without a password set, only loopback \
                            addresses are listened on. SIGTERM lets running statements finish, SIGINT does not. SIGHUP reads the certificate again."
    )]
    Serve {
        #[command(flatten)]
        settings: Box<Settings>,
        /// TOML file with the same settings, underscores for dashes
        #[arg(long, value_name = "FILE", env = "PARHELION_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Run a SQL script without a server and print what psql would
    #[command(
        after_help = "Stops at the first error with exit code 1. A comment `-- expect error 42501` before a statement says that \
                            it has to fail with that SQLSTATE. Understands \\echo and \\set ECHO queries, VERBOSITY verbose, \
                            ON_ERROR_STOP off."
    )]
    Run {
        /// The script; - for standard input
        file: PathBuf,
        /// Folder of the data [default: a temporary one]
        #[arg(long, value_name = "DIR", env = "PARHELION_DATA")]
        data: Option<PathBuf>,
        /// Embedded store for a new data folder
        #[arg(long, value_name = "STORE", default_value = "fjall")]
        store: Store,
        /// Go on after errors; the exit code still tells of them
        #[arg(long)]
        keep_going: bool,
        /// What to log on standard error
        #[arg(long, value_name = "FILTER", env = "PARHELION_LOG", default_value = "warn")]
        log: String,
    },
    /// Check or export the audit log of a data folder that no server has open
    Audit {
        #[command(subcommand)]
        command: audit_command::AuditCommand,
    },
}

/// Rows are many small pieces of memory: with this one a scan takes a fifth less time than with the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve { settings, config } => serve(*settings, config.as_deref()),
        Command::Run {
            file,
            data,
            store,
            keep_going,
            log,
        } => on_big_stack(move || run(&file, data, store, keep_going, &log)),
        Command::Audit { command } => audit_command::run(command),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("parhelion: {failure}");
        ExitCode::FAILURE
    })
}

fn serve(settings: Settings, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let file = file.map(Settings::from_file).transpose()?.unwrap_or_default();
    let config = settings.resolve(file)?;
    start_log(&config.log, config.log_format)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Listened for before anything is opened, so that a stop while opening is not lost.
    let (mut terminate, mut interrupt, mut hangup) = {
        let _in_runtime = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        )
    };
    let data = config.data.clone();
    let (store, functions) = (config.store, config.functions.clone());
    let hook = config
        .alert_webhook
        .clone()
        .map(|url| webhook::start(url, config.ca_file.clone()))
        .transpose()?;
    let database = on_big_stack(move || open(&data, store, functions, hook, |message| tracing::info!("{message}")))?;
    database.set_audit_durability(config.audit_durability);
    database.set_min_free_disk(config.min_free_disk);
    let (failure, mut failed) = tokio::sync::mpsc::unbounded_channel();
    database.on_store_failure(move |cause| drop(failure.send(cause.to_string())));
    if let Err(error) = database.warm_up() {
        tracing::error!("functions cannot be run: {}", error.message());
    }
    let server = Server::start(database.clone(), config.server.clone())?;
    announce(&server, &config)?;

    let ended = runtime.block_on(async {
        loop {
            tokio::select! {
                _ = terminate.recv() => break Ok(config.stop_grace),
                _ = interrupt.recv() => break Ok(Duration::ZERO),
                _ = hangup.recv() => reload(&server),
                Some(cause) = failed.recv() => break Err(cause),
            }
        }
    });
    let grace = match ended {
        Ok(grace) => grace,
        Err(cause) => end_failed(&runtime, server, &cause),
    };
    tracing::info!(grace_seconds = grace.as_secs(), "stopping");
    let clean = runtime.block_on(stop(server, grace, &mut terminate, &mut interrupt))?;
    database.close().map_err(|error| error.message().to_string())?;
    tracing::info!("stopped");
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How long a server whose store failed takes at most to end.
const FAILED_GRACE: Duration = Duration::from_secs(5);

/// Nobody knows what of the last writes is on disk. Whoever starts the server again has it read.
fn end_failed(runtime: &tokio::runtime::Runtime, server: Server, cause: &str) -> ! {
    tracing::error!("FATAL: {cause}");
    tracing::error!("FATAL: the store takes no more writes until the data folder is opened again: the server ends, start it anew");
    runtime.block_on(async {
        // Clients are told, if they listen; nothing that they do can be written any more.
        let stopping = tokio::task::spawn_blocking(move || server.stop(Duration::ZERO));
        let _ = tokio::time::timeout(FAILED_GRACE, stopping).await;
    });
    std::process::exit(1)
}

fn reload(server: &Server) {
    match server.reload_certificate() {
        Ok(true) => tracing::info!("the certificate was read again"),
        Ok(false) => tracing::info!("there is no certificate to read again"),
        Err(error) => tracing::error!("the certificate was not read again, the old one stays: {error}"),
    }
}

/// Stops the server; a second signal ends the wait, and the process with it.
async fn stop(server: Server, grace: Duration, terminate: &mut Signal, interrupt: &mut Signal) -> Result<bool, Failure> {
    let stopping = tokio::task::spawn_blocking(move || server.stop(grace));
    tokio::select! {
        clean = stopping => Ok(clean?),
        _ = terminate.recv() => Ok(exit_at_once()),
        _ = interrupt.recv() => Ok(exit_at_once()),
    }
}

/// What is committed is safe at any moment, so this loses nothing that was promised.
fn exit_at_once() -> bool {
    tracing::warn!("stopped at once by a second signal");
    std::process::exit(1)
}

/// The one line on standard output, for people and for scripts that wait for it.
fn announce(server: &Server, config: &Config) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "parhelion {} listening on {} (data in {})",
        env!("CARGO_PKG_VERSION"),
        server.local_addr(),
        config.data.display()
    )?;
    out.flush()
}

fn run(file: &Path, data: Option<PathBuf>, store: Store, keep_going: bool, log: &str) -> Result<ExitCode, Failure> {
    start_log(log, LogFormat::Text)?;
    let source = match file.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()),
        false => std::fs::read_to_string(file),
    };
    let source = source.map_err(|error| format!("could not read {}: {error}", file.display()))?;
    // Kept until the database is closed; it goes with everything in it.
    let temporary = tempfile::Builder::new().prefix("parhelion-").tempdir()?;
    let data = data.unwrap_or_else(|| temporary.path().join("data"));
    let database = open(
        &data,
        store,
        FunctionOptions {
            trusted_roots: server::roots::trusted(None),
            ..FunctionOptions::default()
        },
        None,
        |message| eprintln!("{message}"),
    )?;
    let options = ConnectOptions {
        user: "postgres".into(),
        database: "postgres".into(),
        settings: vec![],
        client: None,
        encryption: None,
    };
    let mut session = database.connect(options)?;
    let failures = script::run(&mut session, &source, RunOptions { keep_going }, &mut io::stdout().lock())?;
    drop(session);
    database.close().map_err(|error| error.message().to_string())?;
    if failures > 0 {
        eprintln!(
            "parhelion: {}: {failures} unexpected result{}",
            file.display(),
            if failures == 1 { "" } else { "s" }
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn open(
    data: &Path,
    store: Store,
    functions: FunctionOptions,
    hook: Option<AlertHook>,
    progress: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Arc<Database>, Failure> {
    config::prepare_data_dir(data)?;
    let options = Options {
        data_dir: data.to_path_buf(),
        store: store.into(),
        progress: Arc::new(progress),
        functions,
    };
    Ok(Database::open_with_alerts(options, hook).map_err(|error| error.message().to_string())?)
}

fn start_log(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(config::log_directives(filter)).map_err(|error| format!("invalid log filter \"{filter}\": {error}"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.fmt_fields(log_fields()).init(),
        LogFormat::Json => log.json().init(),
    }
    // A panic ends one connection (see server::listen); the log says which and where, in its own form.
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), place, backtrace = %Backtrace::capture(), "panic: {message}");
    }));
    Ok(())
}

/// The fields of an event in the text log. An event is one line, but for the backtrace of a panic: what clients and guests put into it
/// begins no other.
fn log_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let fields = |writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| match field.name() {
        "message" => writer.write_str(&on_one_line(&format!("{value:?}"))),
        "backtrace" => write!(writer, "backtrace={value:?}"),
        name => write!(writer, "{name}={}", on_one_line(&format!("{value:?}"))),
    };
    format::debug_fn(fields).delimited(" ")
}

/// Statements and the opening of a database recurse as deep as they do in a server's connections.
fn on_big_stack<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let thread = thread::Builder::new()
        .name("main work".into())
        .stack_size(listen::THREAD_STACK_BYTES)
        .spawn(work)?;
    thread.join().unwrap_or_else(|_| Err("internal error".into()))
}
