//! The server's configuration: flags, then the environment, then a file, then the defaults.
//! Nothing else in Parhelion reads any of them.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::filter::LevelFilter;

use crate::ServerOptions;
use crate::tls::{TlsOptions, TlsRequired};
use crate::webhook::WebhookUrl;
use engine::{AuditDurability, DEFAULT_MIN_FREE_DISK, FunctionOptions, StorageOptions, StoreKind};

const DEFAULT_LOG: &str = "info";
/// The stores' own messages are of interest only when something is wrong with them.
const QUIET_STORES: &str = "fjall=warn,lsm_tree=warn,sled=warn";

/// What can be configured for `serve`; None where the next source decides.
#[derive(clap::Args, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder of the data; created, for its owner only, if it is not there [default: ./data]
    #[arg(long, value_name = "DIR", env = "PARHELION_DATA")]
    pub data: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:5433]
    #[arg(long, value_name = "ADDR", env = "PARHELION_LISTEN")]
    pub listen: Option<String>,
    /// Embedded store for a new data folder [default: fjall]
    #[arg(long, value_name = "STORE", env = "PARHELION_STORE")]
    pub store: Option<Store>,
    /// Sessions at a time [default: 100]
    #[arg(long, value_name = "N", env = "PARHELION_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,
    /// Largest statement or set of parameters that a client may send [default: 67108864]
    #[arg(long, value_name = "BYTES", env = "PARHELION_MAX_MESSAGE_BYTES")]
    pub max_message_bytes: Option<usize>,
    /// Seconds from connecting to being logged in [default: 60]
    #[arg(long, value_name = "SECONDS", env = "PARHELION_AUTHENTICATION_TIMEOUT")]
    pub authentication_timeout: Option<u64>,
    /// PEM file of the certificate that is shown to clients which ask for TLS, and those up to its authority
    #[arg(long, value_name = "FILE", env = "PARHELION_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key; nobody but its owner may read it
    #[arg(long, value_name = "FILE", env = "PARHELION_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Who is let in over TLS only: nobody, clients that are not on this machine, or all [default: off; without a value: remote]
    #[arg(long, value_name = "WHO", num_args = 0..=1, default_missing_value = "remote", env = "PARHELION_TLS_REQUIRED")]
    pub tls_required: Option<TlsRequired>,
    /// Seconds that running statements get at SIGTERM before they are cancelled [default: 30]
    #[arg(long, value_name = "SECONDS", env = "PARHELION_STOP_GRACE")]
    pub stop_grace: Option<u64>,
    /// Form of the log on standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = "PARHELION_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What to log: a level, or directives such as info,server=debug [default: info, the store's: warn]
    #[arg(long, value_name = "FILTER", env = "PARHELION_LOG")]
    pub log: Option<String>,
    /// A variable that functions with ENV_ACCESS can read, as often as there are variables; in the file the table [function_env]
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    #[serde(deserialize_with = "variables")]
    pub function_env: Vec<(String, String)>,
    /// PEM file of certificate authorities that heliosdb.http and the alert webhook trust besides the machine's own
    #[arg(long, value_name = "FILE", env = "PARHELION_FUNCTION_CA_FILE")]
    pub function_ca_file: Option<PathBuf>,
    /// Functions keep values in heliosdb.storage only after ALTER FUNCTION f SET STORAGE = on [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", env = "PARHELION_STORAGE_REQUIRES_CONSENT")]
    pub storage_requires_consent: Option<bool>,
    /// When routine audit rows are durable: before the statement is reported as done, or some milliseconds after [default: statement]
    #[arg(long, value_name = "WHEN", env = "PARHELION_AUDIT_DURABILITY")]
    pub audit_durability: Option<Durability>,
    /// Bytes kept free on the disk: below them INSERT and UPDATE are refused, while the audit log and DELETE go on [default: 268435456]
    #[arg(long, value_name = "BYTES", env = "PARHELION_MIN_FREE_DISK")]
    pub min_free_disk: Option<u64>,
    /// Bytes of keys and values that one function may keep [default: 16777216]
    #[arg(long, value_name = "BYTES", env = "PARHELION_STORAGE_BYTES")]
    pub storage_bytes: Option<u64>,
    /// Keys that one function may keep [default: 10000]
    #[arg(long, value_name = "N", env = "PARHELION_STORAGE_KEYS")]
    pub storage_keys: Option<u64>,
    /// URL that every alert is posted to as JSON
    #[arg(long, value_name = "URL", env = "PARHELION_ALERT_WEBHOOK", hide_env_values = true)]
    pub alert_webhook: Option<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        Some(_) | None => Err("it must be NAME=VALUE".to_string()),
    }
}

fn variables<'de, D: serde::Deserializer<'de>>(table: D) -> Result<Vec<(String, String)>, D::Error> {
    BTreeMap::<String, String>::deserialize(table).map(|table| table.into_iter().collect())
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    Fjall,
    Sled,
}

impl From<Store> for StoreKind {
    fn from(store: Store) -> StoreKind {
        match store {
            Store::Fjall => StoreKind::Fjall,
            Store::Sled => StoreKind::Sled,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Statement,
    Interval,
}

impl From<Durability> for AuditDurability {
    fn from(durability: Durability) -> AuditDurability {
        match durability {
            Durability::Statement => AuditDurability::Statement,
            Durability::Interval => AuditDurability::Interval,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// The configuration with every question answered.
#[derive(Clone, Debug)]
pub struct Config {
    pub data: PathBuf,
    pub store: Store,
    pub server: ServerOptions,
    pub stop_grace: Duration,
    pub log_format: LogFormat,
    pub log: String,
    pub audit_durability: AuditDurability,
    pub min_free_disk: u64,
    pub functions: FunctionOptions,
    pub alert_webhook: Option<WebhookUrl>,
    /// Certificate authorities besides the machine's own.
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug)]
pub enum ConfigError {
    File(PathBuf, io::Error),
    Toml(PathBuf, toml::de::Error),
    Listen(String, io::Error),
    /// A limit of zero would admit nothing.
    Zero(&'static str),
    /// Of certificate and key one is not there, or TLS is required without either.
    Tls(&'static str),
    /// The URL itself may be a secret.
    Webhook(String),
    DataDir(PathBuf, io::Error),
    /// Others could read or write what is in it.
    DataDirOpen(PathBuf, u32),
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigError::File(path, error) => write!(f, "could not read {}: {error}", path.display()),
            ConfigError::Toml(path, error) => write!(f, "{}: {error}", path.display()),
            ConfigError::Listen(listen, error) => write!(f, "invalid address to listen on \"{listen}\": {error}"),
            ConfigError::Webhook(why) => write!(f, "invalid URL in alert_webhook: {why}"),
            ConfigError::Zero(name) => write!(f, "{name} must be at least 1"),
            ConfigError::Tls(message) => f.write_str(message),
            ConfigError::DataDir(path, error) => write!(f, "could not create the data folder {}: {error}", path.display()),
            ConfigError::DataDirOpen(path, mode) => {
                write!(
                    f,
                    "data folder {} is open to others (mode {mode:03o}); chmod it to 700",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl Settings {
    pub fn from_file(path: &Path) -> Result<Settings, ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| ConfigError::File(path.into(), error))?;
        toml::from_str(&text).map_err(|error| ConfigError::Toml(path.into(), error))
    }

    /// These settings, and those of `file` where these are silent.
    pub fn resolve(self, file: Settings) -> Result<Config, ConfigError> {
        let defaults = ServerOptions::default();
        let listen = match self.listen.or(file.listen) {
            None => defaults.listen,
            Some(listen) => resolve_address(&listen).map_err(|error| ConfigError::Listen(listen, error))?,
        };
        let storage = StorageOptions::default();
        let ca_file = self.function_ca_file.or(file.function_ca_file);
        let alert_webhook = self.alert_webhook.or(file.alert_webhook);
        let seconds = |given: Option<u64>, default: Duration| given.map_or(default, Duration::from_secs);
        Ok(Config {
            data: self.data.or(file.data).unwrap_or_else(|| PathBuf::from("./data")),
            store: self.store.or(file.store).unwrap_or(Store::Fjall),
            server: ServerOptions {
                listen,
                max_connections: at_least_one(
                    "max_connections",
                    self.max_connections.or(file.max_connections),
                    defaults.max_connections,
                )?,
                max_message_bytes: at_least_one(
                    "max_message_bytes",
                    self.max_message_bytes.or(file.max_message_bytes),
                    defaults.max_message_bytes,
                )?,
                authentication_timeout: seconds(
                    self.authentication_timeout.or(file.authentication_timeout),
                    defaults.authentication_timeout,
                ),
                tls: tls(
                    self.tls_cert.or(file.tls_cert),
                    self.tls_key.or(file.tls_key),
                    self.tls_required.or(file.tls_required).unwrap_or_default(),
                )?,
            },
            stop_grace: seconds(self.stop_grace.or(file.stop_grace), Duration::from_secs(30)),
            log_format: self.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            log: self.log.or(file.log).unwrap_or_else(|| DEFAULT_LOG.into()),
            audit_durability: self
                .audit_durability
                .or(file.audit_durability)
                .map_or(AuditDurability::default(), AuditDurability::from),
            min_free_disk: self.min_free_disk.or(file.min_free_disk).unwrap_or(DEFAULT_MIN_FREE_DISK),
            functions: FunctionOptions {
                // A flag comes after the file, and wins.
                environment: file.function_env.into_iter().chain(self.function_env).collect(),
                storage: StorageOptions {
                    requires_consent: self
                        .storage_requires_consent
                        .or(file.storage_requires_consent)
                        .unwrap_or(storage.requires_consent),
                    max_bytes: self.storage_bytes.or(file.storage_bytes).unwrap_or(storage.max_bytes),
                    max_keys: self.storage_keys.or(file.storage_keys).unwrap_or(storage.max_keys),
                },
                trusted_roots: crate::roots::trusted(ca_file.clone()),
            },
            alert_webhook: alert_webhook
                .map(|url| WebhookUrl::parse(&url))
                .transpose()
                .map_err(ConfigError::Webhook)?,
            ca_file,
        })
    }
}

fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>, required: TlsRequired) -> Result<Option<TlsOptions>, ConfigError> {
    match (certificate, key, required) {
        (Some(certificate), Some(key), required) => Ok(Some(TlsOptions {
            certificate,
            key,
            required,
        })),
        (Some(_), None, _) => Err(ConfigError::Tls("tls_cert needs tls_key")),
        (None, Some(_), _) => Err(ConfigError::Tls("tls_key needs tls_cert")),
        (None, None, TlsRequired::Off) => Ok(None),
        (None, None, TlsRequired::Remote | TlsRequired::All) => Err(ConfigError::Tls("tls_required needs tls_cert and tls_key")),
    }
}

/// The log's directives for a filter that somebody asks for: a level alone is not meant for the stores, `fjall=info` is.
pub fn log_directives(asked: &str) -> String {
    let level = asked
        .split(',')
        .filter_map(|part| part.trim().parse::<LevelFilter>().ok())
        .next_back();
    match level {
        // Later directives win over earlier ones for the same target.
        Some(level) if level > LevelFilter::WARN => format!("{QUIET_STORES},{asked}"),
        Some(_) | None => asked.to_string(),
    }
}

fn resolve_address(listen: &str) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    listen.to_socket_addrs()?.next().ok_or_else(none)
}

fn at_least_one(name: &'static str, given: Option<usize>, default: usize) -> Result<usize, ConfigError> {
    match given.unwrap_or(default) {
        0 => Err(ConfigError::Zero(name)),
        count => Ok(count),
    }
}

/// Creates the data folder for its owner only; takes an existing one if nobody else can enter it.
pub fn prepare_data_dir(path: &Path) -> Result<(), ConfigError> {
    let failed = |error| ConfigError::DataDir(path.into(), error);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed),
        Err(error) => Err(failed(error)),
        Ok(metadata) => {
            let mode = metadata.mode() & 0o777;
            let is_empty = fs::read_dir(path).map_err(failed)?.next().is_none();
            match mode & 0o077 {
                0 => Ok(()),
                // An empty one holds nothing yet that somebody could have read.
                _ if is_empty => fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed),
                _ => Err(ConfigError::DataDirOpen(path.into(), mode)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file: Settings = toml::from_str("max_connections = 7\nlisten = '127.0.0.1:1'\nstore = 'sled'").unwrap();
        let flags = Settings {
            listen: Some("[::1]:2".into()),
            ..Default::default()
        };
        let config = flags.resolve(file).unwrap();
        assert_eq!((config.server.max_connections, config.store), (7, Store::Sled));
        assert_eq!(config.server.listen, "[::1]:2".parse().unwrap());
        assert_eq!(config.server.max_message_bytes, 64 << 20);
    }

    #[test]
    fn a_level_alone_is_not_meant_for_the_stores() {
        let quiet = |asked: &str| format!("{QUIET_STORES},{asked}");
        for asked in [DEFAULT_LOG, "debug", "server=trace,info", "info,fjall=debug"] {
            assert_eq!(log_directives(asked), quiet(asked));
        }
        // These ask for less than the stores' warnings, or for the stores by name.
        for asked in ["off", "error", "warn", "fjall=info"] {
            assert_eq!(log_directives(asked), asked);
        }
        let levels = |asked: &str| tracing_subscriber::EnvFilter::new(log_directives(asked)).to_string();
        assert!(levels("info,fjall=debug").contains("fjall=debug"), "{}", levels("info,fjall=debug"));
        assert!(!levels("info,fjall=debug").contains("fjall=warn"));
    }

    #[test]
    fn variables_of_functions_come_from_the_table_and_the_flags() {
        let file: Settings = toml::from_str("[function_env]\nAPI_URL = 'a'\nTOKEN = 'b'").unwrap();
        let flags = Settings {
            function_env: vec![variable("TOKEN=c=d").unwrap(), variable("EMPTY=").unwrap()],
            ..Default::default()
        };
        let environment = flags.resolve(file).unwrap().functions.environment;
        let listed: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(listed, [("API_URL", "a"), ("EMPTY", ""), ("TOKEN", "c=d")]);
        assert!(variable("TOKEN").is_err() && variable("=x").is_err());
    }

    #[test]
    fn storage_needs_no_consent_unless_it_is_asked_for() {
        let storage = |file: &str| {
            let config = Settings::default().resolve(toml::from_str(file).unwrap()).unwrap();
            config.functions.storage
        };
        assert_eq!(storage(""), StorageOptions::default());
        assert!(!storage("").requires_consent);
        let asked = storage("storage_requires_consent = true\nstorage_bytes = 10\nstorage_keys = 2");
        assert_eq!((asked.requires_consent, asked.max_bytes, asked.max_keys), (true, 10, 2));
    }

    #[test]
    fn tls_wants_a_certificate_and_its_key() {
        let tls = |file: &str| {
            let resolved = Settings::default().resolve(toml::from_str(file).unwrap());
            resolved.map(|config| config.server.tls).map_err(|error| error.to_string())
        };
        assert!(tls("").unwrap().is_none());
        let whole = tls("tls_cert = 'a'\ntls_key = 'b'\ntls_required = 'remote'").unwrap().unwrap();
        assert_eq!((whole.certificate, whole.key), ("a".into(), "b".into()));
        assert_eq!(whole.required, TlsRequired::Remote);
        assert_eq!(tls("tls_cert = 'a'\ntls_key = 'b'").unwrap().unwrap().required, TlsRequired::Off);
        assert_eq!(tls("tls_cert = 'a'").unwrap_err(), "tls_cert needs tls_key");
        assert_eq!(tls("tls_key = 'a'").unwrap_err(), "tls_key needs tls_cert");
        assert_eq!(tls("tls_required = 'all'").unwrap_err(), "tls_required needs tls_cert and tls_key");
    }

    #[test]
    fn audit_rows_are_durable_with_their_statement_unless_told_otherwise() {
        let durability = |file: &str| {
            let config = Settings::default().resolve(toml::from_str(file).unwrap()).unwrap();
            config.audit_durability
        };
        assert_eq!(durability(""), AuditDurability::Statement);
        assert_eq!(durability("audit_durability = 'interval'"), AuditDurability::Interval);
        assert!(toml::from_str::<Settings>("audit_durability = 'never'").is_err());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            toml::from_str::<Settings>("max_conections = 7")
                .unwrap_err()
                .to_string()
                .contains("max_conections")
        );
        let zero = Settings {
            max_connections: Some(0),
            ..Default::default()
        }
        .resolve(Settings::default());
        assert_eq!(zero.unwrap_err().to_string(), "max_connections must be at least 1");
        let webhook = |url: &str| Settings {
            alert_webhook: Some(url.into()),
            ..Default::default()
        };
        assert_eq!(
            webhook("hooks.example.com/secret")
                .resolve(Settings::default())
                .unwrap_err()
                .to_string(),
            "invalid URL in alert_webhook: it must begin with http:// or https:// and name a host"
        );
        let taken = Settings::default().resolve(webhook("https://hooks.example.com/x")).unwrap();
        assert_eq!(taken.alert_webhook, WebhookUrl::parse("https://hooks.example.com/x").ok());
        let nowhere = Settings {
            listen: Some("nowhere".into()),
            ..Default::default()
        }
        .resolve(Settings::default());
        assert!(
            nowhere
                .unwrap_err()
                .to_string()
                .starts_with("invalid address to listen on \"nowhere\"")
        );
    }

    #[test]
    fn the_data_folder_is_its_owners_alone() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b");
        prepare_data_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        prepare_data_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::write(path.join("x"), "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(prepare_data_dir(&path), Err(ConfigError::DataDirOpen(_, 0o750))));
    }
}
