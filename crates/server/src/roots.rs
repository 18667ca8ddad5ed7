//! Whom `heliosdb.http` and the webhook believe: the certificate authorities of this machine, and those of a file of the operator's.

use std::path::{Path, PathBuf};

use engine::TrustedRoots;

/// Read when the first HTTPS request of a function wants them.
pub fn trusted(extra: Option<PathBuf>) -> TrustedRoots {
    TrustedRoots::new(move || certificates(extra.as_deref()))
}

/// The certificates as DER.
pub fn certificates(extra: Option<&Path>) -> Result<Vec<Vec<u8>>, String> {
    let machine = rustls_native_certs::load_native_certs();
    let mut roots: Vec<Vec<u8>> = machine.certs.iter().map(|certificate| certificate.to_vec()).collect();
    let mut errors = machine.errors;
    if let Some(file) = extra {
        let own = rustls_native_certs::load_certs_from_paths(Some(file), None);
        roots.extend(own.certs.iter().map(|certificate| certificate.to_vec()));
        // The operator named this file: what is wrong with it must not pass in silence.
        if let Some(error) = own.errors.first() {
            return Err(error.to_string());
        }
    }
    for error in &errors {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    match (roots.is_empty(), errors.pop()) {
        (true, Some(error)) => Err(error.to_string()),
        _ => Ok(roots),
    }
}
