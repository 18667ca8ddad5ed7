//! The server's certificate.
//!
//! The life of a certificate: its files are read and checked when the server starts, and again at
//! SIGHUP; what they hold becomes an [`Identity`]. A connection that asks for TLS takes the newest
//! one and keeps it ([`Stream::encrypt`](crate::stream::Stream::encrypt)). Files that cannot be
//! used stop a start, and at a reload leave the identity before them in place.

pub mod cipher;
pub mod end_point;

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};
use serde::Deserialize;

/// More than any chain of certificates needs.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Who has to encrypt.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TlsRequired {
    /// Nobody; whoever asks for TLS gets it.
    #[default]
    Off,
    /// Clients from addresses that are not loopback.
    Remote,
    All,
}

impl TlsRequired {
    /// Whether a client from there has to encrypt.
    pub fn binds(self, client: IpAddr) -> bool {
        match self {
            TlsRequired::Off => false,
            TlsRequired::Remote => !client.to_canonical().is_loopback(),
            TlsRequired::All => true,
        }
    }
}

#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// PEM: the server's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: its private key, without a passphrase.
    pub key: PathBuf,
    pub required: TlsRequired,
}

#[derive(Debug)]
pub enum TlsError {
    Certificate(PathBuf, io::Error),
    CertificateForm(PathBuf, pem::Error),
    Key(PathBuf, io::Error),
    KeyForm(PathBuf, pem::Error),
    KeyIsNoFile(PathBuf),
    /// Somebody else's: that user could replace it.
    KeyOwner(PathBuf),
    /// Others could read it.
    KeyOpen(PathBuf, u32),
    /// The files are what they claim to be, but not usable together.
    Unusable(rustls::Error),
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TlsError::Certificate(path, error) => write!(f, "could not load server certificate file \"{}\": {error}", path.display()),
            TlsError::CertificateForm(path, error) => {
                write!(f, "could not load server certificate file \"{}\": {}", path.display(), Pem(error))
            }
            TlsError::Key(path, error) => write!(f, "could not access private key file \"{}\": {error}", path.display()),
            TlsError::KeyForm(path, pem::Error::NoItemsFound) => write!(
                f,
                "could not load private key file \"{}\": it holds no private key, or one with a passphrase",
                path.display()
            ),
            TlsError::KeyForm(path, error) => write!(f, "could not load private key file \"{}\": {}", path.display(), Pem(error)),
            TlsError::KeyIsNoFile(path) => write!(f, "private key file \"{}\" is not a regular file", path.display()),
            TlsError::KeyOwner(path) => write!(
                f,
                "private key file \"{}\" must be owned by the database user or root",
                path.display()
            ),
            TlsError::KeyOpen(path, mode) => write!(
                f,
                "private key file \"{}\" has group or world access (mode {mode:04o}): it must have permissions u=rw (0600) or less \
                 if owned by the database user, or permissions u=rw,g=r (0640) or less if owned by root",
                path.display()
            ),
            TlsError::Unusable(error) => write!(f, "check of private key failed: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// The library's errors, in words for whoever wrote the file.
struct Pem<'a>(&'a pem::Error);

impl std::fmt::Display for Pem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            pem::Error::NoItemsFound => f.write_str("it holds no certificate"),
            other => write!(f, "{other}"),
        }
    }
}

/// The certificate that new connections are shown.
pub struct Tls {
    options: TlsOptions,
    newest: RwLock<Arc<Identity>>,
}

impl Tls {
    pub fn load(options: TlsOptions) -> Result<Tls, TlsError> {
        let newest = RwLock::new(Arc::new(Identity::load(&options)?));
        Ok(Tls { options, newest })
    }

    /// Reads the files again. After an error everything is as before.
    pub fn reload(&self) -> Result<(), TlsError> {
        let identity = Arc::new(Identity::load(&self.options)?);
        *self.newest.write() = identity;
        Ok(())
    }

    pub fn identity(&self) -> Arc<Identity> {
        self.newest.read().clone()
    }

    pub fn required(&self) -> TlsRequired {
        self.options.required
    }
}

/// A certificate with its key, ready for handshakes.
pub struct Identity {
    config: Arc<ServerConfig>,
    /// What a password's proof can be bound to: RFC 5929's tls-server-end-point.
    end_point: Option<Vec<u8>>,
}

impl Identity {
    fn load(options: &TlsOptions) -> Result<Identity, TlsError> {
        let chain = read_chain(&options.certificate)?;
        let key = read_key(&options.key)?;
        let end_point = chain.first().and_then(|certificate| end_point::hash(certificate));
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Unusable)?;
        // As in PostgreSQL: each connection makes its own keys, and none outlives a reload.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let config = Arc::new(config);
        Ok(Identity { config, end_point })
    }

    pub fn accept(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(self.config.clone())
    }

    pub fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = File::open(path)
        .and_then(read_bounded)
        .map_err(|error| TlsError::Certificate(path.into(), error))?;
    let form = |error| TlsError::CertificateForm(path.into(), error);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(form)?;
    match chain.is_empty() {
        true => Err(form(pem::Error::NoItemsFound)),
        false => Ok(chain),
    }
}

/// The file that is looked at is the one that is read: it is opened once.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unread = |error| TlsError::Key(path.into(), error);
    // A pipe would be waited for when it is opened.
    if !std::fs::metadata(path).map_err(unread)?.is_file() {
        return Err(TlsError::KeyIsNoFile(path.into()));
    }
    let file = File::open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(TlsError::KeyIsNoFile(path.into()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    // Root may keep keys for a group of servers.
    let too_much = match metadata.uid() {
        owner if owner == rustix::process::geteuid().as_raw() => 0o077,
        0 => 0o037,
        _ => return Err(TlsError::KeyOwner(path.into())),
    };
    if mode & too_much != 0 {
        return Err(TlsError::KeyOpen(path.into(), mode));
    }
    let text = read_bounded(file).map_err(unread)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| TlsError::KeyForm(path.into(), error))
}

fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut text = vec![];
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    /// A folder with a certificate and its key, as an operator would have them.
    fn files() -> (tempfile::TempDir, TlsOptions) {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
        let options = TlsOptions {
            certificate: folder.path().join("server.crt"),
            key: folder.path().join("server.key"),
            required: TlsRequired::Off,
        };
        fs::write(&options.certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
        write_key(&options, &pem("PRIVATE KEY", &made.signing_key.serialize_der()), 0o600);
        (folder, options)
    }

    fn write_key(options: &TlsOptions, text: &str, mode: u32) {
        let _ = fs::remove_file(&options.key);
        fs::write(&options.key, text).unwrap();
        fs::set_permissions(&options.key, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(options: &TlsOptions) -> String {
        Tls::load(options.clone()).err().expect("it must be refused").to_string()
    }

    #[test]
    fn a_certificate_with_its_key_is_taken() {
        let (_folder, options) = files();
        let tls = Tls::load(options.clone()).unwrap();
        assert_eq!(tls.identity().end_point().unwrap().len(), 32);
        fs::set_permissions(&options.key, fs::Permissions::from_mode(0o400)).unwrap();
        tls.reload().unwrap();
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (_folder, options) = files();
        for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
            fs::set_permissions(&options.key, fs::Permissions::from_mode(mode)).unwrap();
            let message = refusal(&options);
            let expect = format!("has group or world access (mode {mode:04o}): it must have permissions u=rw (0600)");
            assert!(message.contains(&expect), "{message}");
        }
    }

    #[test]
    fn files_that_hold_something_else_are_refused() {
        let (folder, options) = files();
        let key = fs::read_to_string(&options.key).unwrap();
        let check = |expect: &str| {
            let message = refusal(&options);
            assert!(message.contains(expect), "{message}");
        };
        write_key(&options, "", 0o600);
        check("it holds no private key, or one with a passphrase");
        write_key(&options, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600);
        check("check of private key failed");
        write_key(&options, &key[..key.len() / 2], 0o600);
        check("could not load private key file");
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
        write_key(&options, &pem("PRIVATE KEY", &other.signing_key.serialize_der()), 0o600);
        check("check of private key failed: keys may not be consistent");
        write_key(&options, &"x".repeat(2 << 20), 0o600);
        check("more than 1048576 bytes");

        write_key(&options, &key, 0o600);
        fs::write(&options.certificate, &key).unwrap();
        check("server.crt\": it holds no certificate");
        fs::remove_file(&options.certificate).unwrap();
        check("could not load server certificate file");

        let no_file = TlsOptions {
            key: folder.path().into(),
            ..files().1
        };
        let message = read_key(&no_file.key).unwrap_err().to_string();
        assert!(message.ends_with("is not a regular file"), "{message}");
        let message = read_key(&folder.path().join("nothing")).unwrap_err().to_string();
        assert!(message.starts_with("could not access private key file"), "{message}");
    }

    #[test]
    fn who_has_to_encrypt() {
        let binds = |required: TlsRequired, client: &str| required.binds(client.parse().unwrap());
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(!binds(TlsRequired::Off, local) && !binds(TlsRequired::Remote, local) && binds(TlsRequired::All, local));
        }
        for remote in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1", "0.0.0.0"] {
            assert!(!binds(TlsRequired::Off, remote) && binds(TlsRequired::Remote, remote) && binds(TlsRequired::All, remote));
        }
    }
}
